//! A C library's mutexes with the protocol, and its condition variables.

use crate::calls::{number, sleeps, until};
use libc::{EOWNERDEAD, pthread_cond_t, pthread_mutex_t};
use std::cell::UnsafeCell;
use std::mem::zeroed;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

struct Mutex {
    mutex: UnsafeCell<pthread_mutex_t>,
    condition: UnsafeCell<pthread_cond_t>,
    /// Under the mutex.
    count: UnsafeCell<u32>,
}

// SAFETY: the C library's objects are made to be shared, and the count is used under the mutex.
unsafe impl Sync for Mutex {}

impl Mutex {
    fn new(is_robust: bool) -> Self {
        // SAFETY: all zeros is each of them, and they are set up before they are used; the mutex is moved before its first use only.
        unsafe {
            let mut attributes: libc::pthread_mutexattr_t = zeroed();
            assert_eq!(libc::pthread_mutexattr_init(&mut attributes), 0);
            let inherit = libc::PTHREAD_PRIO_INHERIT;
            assert_eq!(libc::pthread_mutexattr_setprotocol(&mut attributes, inherit), 0);
            if is_robust {
                let robust = libc::PTHREAD_MUTEX_ROBUST;
                assert_eq!(libc::pthread_mutexattr_setrobust(&mut attributes, robust), 0);
            }
            let mut mutex: pthread_mutex_t = zeroed();
            assert_eq!(libc::pthread_mutex_init(&mut mutex, &attributes), 0);
            Self {
                mutex: UnsafeCell::new(mutex),
                condition: UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER),
                count: UnsafeCell::new(0),
            }
        }
    }

    fn lock(&self) -> i32 {
        // SAFETY: set up.
        unsafe { libc::pthread_mutex_lock(self.mutex.get()) }
    }

    fn unlock(&self) {
        // SAFETY: set up, and the caller's.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.mutex.get()) }, 0);
    }
}

/// An owner ends: with nobody who waits, and with somebody.
pub(crate) fn robust() {
    let mutex = Mutex::new(true);
    for waits in [false, true] {
        let (me, held) = (number(), AtomicU32::new(0));
        thread::scope(|scope| {
            let owner = scope.spawn(|| {
                assert_eq!(mutex.lock(), 0);
                held.store(1, SeqCst);
                until(|| !waits || sleeps(me));
            });
            if waits {
                while held.load(SeqCst) == 0 {
                    std::hint::spin_loop();
                }
            } else {
                owner.join().unwrap();
            }
            assert_eq!(mutex.lock(), EOWNERDEAD);
            // SAFETY: set up, and this thread's.
            assert_eq!(unsafe { libc::pthread_mutex_consistent(mutex.mutex.get()) }, 0);
            mutex.unlock();
            assert_eq!(mutex.lock(), 0);
            mutex.unlock();
        });
    }
    println!("robust");
}

/// Threads that hand a turn round.
pub(crate) fn conditions() {
    const THREADS: u32 = 4;
    const TURNS: u32 = 200;
    let mutex = Mutex::new(false);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let mutex = &mutex;
            scope.spawn(move || {
                for _ in 0..TURNS {
                    assert_eq!(mutex.lock(), 0);
                    // SAFETY: the mutex is held, but while it is waited.
                    unsafe {
                        while *mutex.count.get() % THREADS != number {
                            let condition = mutex.condition.get();
                            let waited = libc::pthread_cond_wait(condition, mutex.mutex.get());
                            assert_eq!(waited, 0);
                        }
                        *mutex.count.get() += 1;
                        assert_eq!(libc::pthread_cond_broadcast(mutex.condition.get()), 0);
                    }
                    mutex.unlock();
                }
            });
        }
    });
    // SAFETY: no other thread is left.
    assert_eq!(unsafe { *mutex.count.get() }, THREADS * TURNS);
    println!("conditions");
}
