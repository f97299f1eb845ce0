//! Taking and letting go.

use crate::calls::*;
use libc::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, EAGAIN, EDEADLK, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT,
    c_int,
};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

/// What the word says, and who may do what with it.
pub(crate) fn words() {
    let word = AtomicU32::new(0);
    for sharing in [0, PRIVATE] {
        assert_eq!(futex(&word, LOCK | sharing, 0, None), Ok(0));
        assert_eq!(word.load(SeqCst), number());
        assert_eq!(futex(&word, LOCK | sharing, 0, None), Err(EDEADLK));
        assert_eq!(futex(&word, TRY_LOCK | sharing, 0, None), Err(EDEADLK));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert_eq!(futex(&word, UNLOCK | sharing, 0, None), Err(EPERM));
                assert_eq!(futex(&word, TRY_LOCK | sharing, 0, None), Err(EAGAIN));
            });
            other.join().unwrap();
        });
        assert_eq!(word.load(SeqCst), number() | WAITERS);
        assert_eq!(futex(&word, UNLOCK | sharing, 0, None), Ok(0));
        assert_eq!(word.load(SeqCst), 0);
        assert_eq!(futex(&word, UNLOCK | sharing, 0, None), Err(EPERM));
        assert_eq!(futex(&word, TRY_LOCK | sharing, 0, None), Ok(0));
        assert_eq!(futex(&word, UNLOCK | sharing, 0, None), Ok(0));
    }
    println!("words");
}

/// A time-out is a date, or what LOCK_PI2 is told.
pub(crate) fn times() {
    let word = AtomicU32::new(0);
    lock(&word);
    thread::scope(|scope| {
        scope.spawn(|| {
            for (operation, clock) in [
                (LOCK, CLOCK_REALTIME),
                (LOCK_2, CLOCK_MONOTONIC),
                (LOCK_2 | REALTIME, CLOCK_REALTIME),
            ] {
                for wait in [-10, 30] {
                    let outcome = futex(&word, operation | PRIVATE, 0, Some(soon(clock, wait)));
                    assert_eq!(outcome, Err(ETIMEDOUT));
                }
            }
            let late = Some(soon(CLOCK_REALTIME, 10));
            assert_eq!(futex(&word, LOCK | REALTIME | PRIVATE, 0, late), Err(ENOSYS));
            let wrong = Some(libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
            assert_eq!(futex(&word, LOCK | PRIVATE, 0, wrong), Err(EINVAL));
        });
    });
    assert_eq!(word.load(SeqCst), number() | WAITERS);
    unlock(&word);
    assert_eq!(word.load(SeqCst), 0);
    println!("times");
}

/// Words that nobody should have written.
pub(crate) fn wrong_words() {
    let nobody = AtomicU32::new(0x3fff_fff0);
    assert_eq!(futex(&nobody, LOCK | PRIVATE, 0, None), Err(ESRCH));
    let kernel_thread = AtomicU32::new(2);
    assert_eq!(futex(&kernel_thread, LOCK | PRIVATE, 0, None), Err(EPERM));
    let word = AtomicU32::new(0);
    lock(&word);
    let me = number();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            lock(&word);
            unlock(&word);
        });
        // Marked, and then waited for.
        until(|| word.load(SeqCst) == me | WAITERS);
        until(|| futex(&word, WAKE | PRIVATE, 1, None) == Err(EINVAL));
        let elsewhere = AtomicU32::new(0);
        assert_eq!(futex_2(&word, REQUEUE | PRIVATE, 1, 1, Some(&elsewhere), 0), Err(EINVAL));
        // Another owner than the one that the kernel knows.
        word.store(1 | WAITERS, SeqCst);
        scope
            .spawn(|| assert_eq!(futex(&word, LOCK | PRIVATE, 0, None), Err(EINVAL)))
            .join()
            .unwrap();
        word.store(me | WAITERS, SeqCst);
        unlock(&word);
        waiter.join().unwrap();
    });
    println!("wrong words");
}

/// The owner is shown with the priority of who waits, and keeps its own attributes.
pub(crate) fn inheritance() {
    let word = AtomicU32::new(0);
    lock(&word);
    let me = number();
    assert_eq!(shown_priority(me), 20);
    let waiter = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            set_priority(number(), 30);
            waiter.store(number(), SeqCst);
            lock(&word);
            unlock(&word);
        });
        until(|| shown_priority(me) == -31);
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::sched_getscheduler(0) }, libc::SCHED_OTHER);
        let other = waiter.load(SeqCst);
        set_priority(other, 40);
        assert_eq!(shown_priority(me), -41);
        set_priority(me, 10);
        assert_eq!(shown_priority(me), -41);
        set_priority(other, 5);
        assert_eq!(shown_priority(me), -11);
        set_priority(me, 0);
        assert_eq!(shown_priority(me), -6);
        unlock(&word);
        assert_eq!(shown_priority(me), 20);
    });
    println!("inheritance");
}

/// Through an owner that waits itself; and back, when the one at the end gives up.
pub(crate) fn chain() {
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(0));
    lock(&first);
    let me = number();
    let (middle, seen) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            lock(&second);
            middle.store(number(), SeqCst);
            lock(&first);
            unlock(&first);
            unlock(&second);
        });
        until(|| first.load(SeqCst) & WAITERS != 0);
        scope.spawn(|| {
            set_priority(number(), 20);
            // Gives up when it has been seen.
            while seen.load(SeqCst) == 0 {
                let until = Some(soon(CLOCK_REALTIME, 1000));
                assert_eq!(futex(&second, LOCK | PRIVATE, 0, until), Err(ETIMEDOUT));
            }
        });
        let both = |priority| {
            shown_priority(me) == priority && shown_priority(middle.load(SeqCst)) == priority
        };
        until(|| both(-21));
        seen.store(1, SeqCst);
        until(|| both(20));
        unlock(&first);
    });
    println!("chain");
}

/// Who would close a ring is refused.
pub(crate) fn deadlock() {
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(0));
    lock(&first);
    let has = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            set_priority(number(), 1);
            lock(&second);
            has.store(1, SeqCst);
            lock(&first);
            unlock(&first);
            unlock(&second);
        });
        until(|| shown_priority(number()) == -2 && has.load(SeqCst) == 1);
        assert_eq!(futex(&second, LOCK | PRIVATE, 0, None), Err(EDEADLK));
        unlock(&first);
    });
    println!("deadlock");
}

/// An owner ends: the most urgent of those who wait is the next one, and is told.
pub(crate) fn dead() {
    let word = AtomicU32::new(0);
    let go = AtomicU32::new(0);
    thread::scope(|scope| {
        let owner = scope.spawn(|| {
            lock(&word);
            until(|| go.load(SeqCst) == 1);
        });
        until(|| word.load(SeqCst) != 0);
        let waiter = scope.spawn(|| {
            lock(&word);
            assert_eq!(word.load(SeqCst), number() | OWNER_DIED | WAITERS);
            word.fetch_and(!OWNER_DIED, SeqCst);
            unlock(&word);
        });
        until(|| futex(&word, WAKE | PRIVATE, 1, None) == Err(EINVAL));
        go.store(1, SeqCst);
        owner.join().unwrap();
        waiter.join().unwrap();
    });
    assert_eq!(word.load(SeqCst), 0);
    // Nobody waits when it ends: its number stays, and is nobody's.
    thread::scope(|scope| {
        scope.spawn(|| lock(&word)).join().unwrap();
    });
    until(|| futex(&word, LOCK | PRIVATE, 0, None) == Err(ESRCH));
    println!("dead owners");
}

/// Between processes, by what is mapped.
pub(crate) fn shared() {
    // SAFETY: new memory.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    // SAFETY: mapped, aligned and never unmapped.
    let words: &[AtomicU32; 2] = unsafe { &*memory.cast() };
    let word = &words[0];
    // SAFETY: no other thread runs.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        assert_eq!(futex(word, LOCK, 0, None), Ok(0));
        words[1].store(1, SeqCst);
        until(|| word.load(SeqCst) & WAITERS != 0);
        // SAFETY: ends the child, which holds the lock.
        unsafe { libc::_exit(0) };
    }
    until(|| words[1].load(SeqCst) == 1);
    assert_eq!(word.load(SeqCst) & NUMBER, child as u32);
    // The owner may have ended by the time the kernel looks for it: then nobody is there to take over from.
    match futex(word, LOCK, 0, None) {
        Ok(0) => assert_eq!(word.load(SeqCst), number() | OWNER_DIED | WAITERS),
        other => assert_eq!(other, Err(ESRCH)),
    }
    let mut status = 0;
    // SAFETY: writes to `status`.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    println!("shared");
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_signal: c_int) {
    HANDLED.fetch_add(1, SeqCst);
}

/// A signal is handled, and the wait goes on.
pub(crate) fn signals() {
    let handler = count as extern "C" fn(c_int);
    // SAFETY: the handler only counts.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    let word = AtomicU32::new(0);
    lock(&word);
    let waiter = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            waiter.store(number(), SeqCst);
            lock(&word);
            unlock(&word);
        });
        for turn in 1..4 {
            until(|| futex(&word, WAKE | PRIVATE, 1, None) == Err(EINVAL));
            // SAFETY: numbers only.
            let sent = unsafe {
                libc::syscall(libc::SYS_tgkill, libc::getpid(), waiter.load(SeqCst), libc::SIGUSR1)
            };
            assert_eq!(sent, 0);
            until(|| HANDLED.load(SeqCst) == turn);
        }
        unlock(&word);
    });
    println!("signals");
}
