//! Who is told that a queue is no longer empty.

use alloc::sync::Arc;

use process::signal::Details;
use process::signal::info::SI_MESGQ;
use process::{Pid, SigInfo, Signal, Thread, current_process, process_of, signal_process};

/// How a process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Not at all: it only keeps others from being told (`SIGEV_NONE`).
    Nothing,
    /// By a signal with a value (`SIGEV_SIGNAL`); by none if its number is 0.
    Signal(Option<Signal>, u64),
}

/// A process that is to be told.
#[derive(Clone)]
pub(super) struct Registration {
    how: Notify,
    owner: Arc<Pid>,
}

impl Registration {
    pub(super) fn of_current(how: Notify) -> Self {
        Self { how, owner: current_process().pid().clone() }
    }

    pub(super) fn is_of_current(&self) -> bool {
        Arc::ptr_eq(&self.owner, current_process().pid())
    }

    /// The way as `struct sigevent` has it, the signal, and the process as the caller sees it.
    pub(super) fn numbers(&self) -> (u32, u32, u32) {
        let pid = self.owner.number_in(&process::current_pid_namespace());
        match self.how {
            Notify::Signal(signal, _) => (0, signal.map_or(0, Signal::number), pid),
            Notify::Nothing => (1, 0, pid),
        }
    }

    /// Tells it, in the name of the calling process.
    pub(super) fn tell(self) {
        let Notify::Signal(Some(signal), value) = self.how else { return };
        let Some(task) = self.owner.task() else { return };
        let sender = current_process();
        let pid = self.owner.namespace().map_or(0, |namespace| sender.pid().number_in(namespace));
        let uid = Thread::of(&sched::current()).user().uid();
        let details = Details::Value { pid, uid, value };
        let info = SigInfo { signal, errno: 0, code: SI_MESGQ, details };
        // Of a process that has gone, or has too many signals queued, nobody waits for it.
        let _ = signal_process(process_of(&task), info);
    }
}
