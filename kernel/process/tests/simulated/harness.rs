//! A kernel that is just enough for processes: PID 1 runs the test, PID 2 waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fixture::processes;
pub(crate) use fixture::processes::{registers, wait_for};
use machine::sim;
use machine::user::UserContext;
use process::signal::Signal;
use process::{CloneFlags, WaitOptions, Waited};
use sched::WaitQueue;

/// Runs a test as PID 1 of a fresh kernel, over some seeds. Afterwards every task, number and
/// process must be gone.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    processes::over_seeds(seeds, cpus, test, assert_nothing_is_left);
}

/// As [`over_seeds`], with one CPU and one seed: for what does not depend on the order of events.
pub(crate) fn once(test: fn()) {
    over_seeds(1, 1, test);
}

/// Only PID 1 and PID 2 are there, and soon no other task's memory.
fn assert_nothing_is_left() {
    assert_eq!(process::live_pids(), 2, "numbers in use");
    assert_eq!(process::task_count(), 2, "tasks");
    let contexts = 2 + machine::cpu::count();
    let started = time::monotonic();
    while sim::live().contexts > contexts {
        assert!(time::monotonic() - started < time::SECOND, "{} contexts", sim::live().contexts);
        sched::sleep_for(time::MILLISECOND);
    }
}

/// What a user task does about its signals on the way to user mode: none has a handler here unless
/// a test counts it. Returns the exit code if the task is to end.
pub(crate) fn take_signals(handled: &AtomicU32) -> Option<u32> {
    take_signals_of(&mut registers(), handled)
}

/// As [`take_signals`], with the program's registers.
pub(crate) fn take_signals_of(context: &mut UserContext, handled: &AtomicU32) -> Option<u32> {
    let note = |signal: Signal| {
        handled.fetch_or(1 << signal.number(), Ordering::SeqCst);
    };
    processes::take_signals(context, note)
}

/// What a user program does that waits for signals, until one ends it or `over` says so.
pub(crate) fn linger(handled: &AtomicU32, over: impl Fn() -> bool) -> u32 {
    loop {
        if let Some(code) = take_signals(handled) {
            return code;
        }
        if over() {
            return 0;
        }
        let _ = sched::sleep_interruptible(time::monotonic() + time::MILLISECOND);
    }
}

/// Lingers for ever.
pub(crate) fn linger_until_killed() -> u32 {
    linger(&AtomicU32::new(0), || false)
}

/// Makes a child process that runs `body`.
pub(crate) fn fork(body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    clone_with(CloneFlags::empty(), body)
}

/// Makes a child with flags.
pub(crate) fn clone_with(flags: CloneFlags, body: impl FnOnce() -> u32 + Send + 'static) -> u32 {
    processes::clone_with(flags, || take_signals(&AtomicU32::new(0)), body)
}

/// The flags of a thread.
pub(crate) const THREAD: CloneFlags =
    CloneFlags::VM.union(CloneFlags::SIGHAND).union(CloneFlags::THREAD);

/// Waits for any child's end.
pub(crate) fn wait_for_end() -> Waited {
    wait_for(WaitOptions::EXITED)
}

/// A flag that tasks raise for each other.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<(AtomicU32, WaitQueue)>);

impl Flag {
    pub(crate) fn raise(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.wake_all();
    }

    pub(crate) fn is_up(&self) -> bool {
        self.count() != 0
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn wait(&self) {
        self.wait_for(1);
    }

    pub(crate) fn wait_for(&self, count: u32) {
        self.0.1.wait(|| self.count() >= count);
    }
}
