//! What happens to threads and processes, for who watches all of it (`NETLINK_CONNECTOR`).
//!
//! While nobody watches, each place costs the look at a counter.

use core::sync::atomic::{AtomicUsize, Ordering};

use sched::Task;
use sync::Once;
use trace::SCHED_PROCESS_FORK;

use crate::process::Process;
use crate::thread::Thread;

/// Numbers of a thread: its own and its process's, as PID 1 sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The thread's.
    pub pid: u32,
    /// The process's.
    pub tgid: u32,
}

impl Numbers {
    /// Those of a task.
    pub fn of_task(task: &Task) -> Self {
        Self { pid: task.pid(), tgid: Thread::of(task).process().pid().number() }
    }

    fn of_process(process: &Process) -> Self {
        let number = process.pid().number();
        Self { pid: number, tgid: number }
    }

    /// Of a process's parent; zeros if it has none any more.
    fn of_parent(process: &Process) -> Self {
        crate::parent_of(process).map_or(Self::default(), |parent| Self::of_process(&parent))
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new thread.
    Fork {
        /// Of the process that is to wait for it.
        parent: Numbers,
    },
    /// It runs another program.
    Exec,
    /// Its user has changed.
    User {
        /// The real one.
        real: u32,
        /// The effective one.
        effective: u32,
    },
    /// Its group has changed.
    Group {
        /// The real one.
        real: u32,
        /// The effective one.
        effective: u32,
    },
    /// It leads a new session.
    Session,
    /// It is traced, or no more (zeros).
    Traced {
        /// Of the tracer.
        tracer: Numbers,
    },
    /// It has another name.
    Name([u8; 16]),
    /// It has ended.
    Exit {
        /// As `wait` shows it.
        code: u32,
        /// The signal to its parent; all ones: none.
        signal: u32,
        /// Of the parent.
        parent: Numbers,
    },
}

static WATCHERS: AtomicUsize = AtomicUsize::new(0);
static HOOK: Once<fn(Numbers, &Event)> = Once::new();

/// Says what to call when something happens and somebody watches, in the task that did it. It may sleep and use memory. Once.
pub fn set_hook(hook: fn(Numbers, &Event)) {
    let fresh = HOOK.set(hook).is_ok();
    assert!(fresh, "the hook for process events is set once");
}

/// One more watches.
pub fn watch() {
    if WATCHERS.fetch_add(1, Ordering::Relaxed) == 0 {
        SCHED_PROCESS_FORK.set_observed(true);
    }
}

/// One who watched does so no more.
pub fn unwatch() {
    if WATCHERS.fetch_sub(1, Ordering::Relaxed) == 1 {
        SCHED_PROCESS_FORK.set_observed(false);
    }
}

/// Whether anybody watches. Who begins to hears of what happens from then on, more or less.
#[inline(always)]
pub fn is_watched() -> bool {
    WATCHERS.load(Ordering::Relaxed) != 0
}

/// Tells of what has happened to a thread.
pub(crate) fn tell(task: &Task, event: &Event) {
    tell_as(Numbers::of_task(task), event);
}

fn tell_as(numbers: Numbers, event: &Event) {
    if let Some(hook) = HOOK.get() {
        hook(numbers, event);
    }
}

/// A thread has been made.
pub(crate) fn forked(child: &Task) {
    let parent = Numbers::of_parent(Thread::of(child).process());
    tell(child, &Event::Fork { parent });
}

/// The running thread runs another program.
pub fn executed() {
    if is_watched() {
        tell(&sched::current(), &Event::Exec);
    }
}

/// A thread has been given a name by a program.
pub fn renamed(task: &Task) {
    if is_watched() {
        let mut name = [0; 16];
        let comm = task.comm();
        name[..comm.as_bytes().len()].copy_from_slice(comm.as_bytes());
        tell(task, &Event::Name(name));
    }
}

/// A thread is traced by a process from now on, or by none.
pub(crate) fn traced(task: &Task, tracer: Option<&Process>) {
    if is_watched() {
        let tracer = tracer.map_or(Numbers::default(), Numbers::of_process);
        tell(task, &Event::Traced { tracer });
    }
}

/// The running process leads a new session.
pub(crate) fn session_begun() {
    if is_watched() {
        tell_as(Numbers::of_process(&crate::current_process()), &Event::Session);
    }
}

/// The running thread has ended, and its parent knows.
#[cold]
#[inline(never)]
pub(crate) fn ended() {
    let task = &*sched::current();
    let thread = Thread::of(task);
    let process = thread.process();
    let signal = if thread.is_leader() { process.exit_signal() } else { u32::MAX };
    let parent = Numbers::of_parent(process);
    tell(task, &Event::Exit { code: thread.exit_code(), signal, parent });
}
