//! A kernel that is just enough for processes that wait for each other: PID 1 runs the test, PID 2 waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use errno::Errno;
use fixture::processes::{self, registers};
use machine::sim;
use process::{CloneFlags, WaitFor, WaitOptions, wait_for_child};

/// Runs a test as PID 1 of a fresh kernel, over some seeds. Afterwards every task, number and object must be gone.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    processes::over_seeds(seeds, cpus, test, assert_nothing_is_left);
}

fn assert_nothing_is_left() {
    assert_eq!(process::live_pids(), 2, "numbers in use");
    assert_eq!(ipc::message::usage(), ipc::message::Usage::default(), "queues");
    assert_eq!(ipc::shared_memory::usage(), ipc::shared_memory::Usage::default(), "segments");
    let mine = process::Thread::of(&sched::current()).user();
    assert_eq!((ipc::posix::count(), mine.message_bytes()), (0, 0), "POSIX queues");
}

/// How many signals have been handled.
pub(crate) static HANDLED: AtomicU32 = AtomicU32::new(0);

/// What a program does about its signals when a call returns: it ends by SIGKILL, and handles others by doing nothing.
/// True: it is to end.
pub(crate) fn is_killed() -> bool {
    let count = |_| {
        HANDLED.fetch_add(1, Ordering::SeqCst);
    };
    processes::take_signals(&mut registers(), count).is_some()
}

/// Makes a child process that runs `body`.
pub(crate) fn fork(body: impl FnOnce() + Send + 'static) -> u32 {
    let take_signals = || {
        assert!(!is_killed());
        None
    };
    processes::clone_with(CloneFlags::empty(), take_signals, || {
        body();
        0
    })
}

/// Waits for so many children.
pub(crate) fn wait(children: usize) {
    for _ in 0..children {
        loop {
            match wait_for_child(&WaitFor::Any, WaitOptions::EXITED) {
                Ok(waited) => {
                    assert!(waited.is_some());
                    break;
                }
                Err(Errno::ERESTARTSYS) => assert!(!is_killed()),
                Err(error) => panic!("no child: {error}"),
            }
        }
    }
}

/// A random wait, or none.
pub(crate) fn dawdle() {
    match sim::random(3) {
        0 => {}
        1 => sched::yield_now(),
        _ => sched::sleep_for(sim::random(20_000)),
    }
}

/// Counts what children have done.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicU32>);

impl Count {
    pub(crate) fn add(&self, number: u32) {
        self.0.fetch_add(number, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
