//! What a process has chosen to do about each signal.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use sync::{LockClass, SpinLock};

use super::number::{DefaultAction, SigSet, Signal};

/// Taken inside `process.signals` and `process.sighand`; nothing is taken inside but the heap's.
static ACTIONS_LOCK: LockClass = LockClass::new("sighand");

bitflags! {
    /// `sa_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct ActionFlags: u64 {
        /// No SIGCHLD for children that stop or go on.
        const NOCLDSTOP = 0x1;
        /// Children that end leave no zombie.
        const NOCLDWAIT = 0x2;
        /// The handler takes three arguments.
        const SIGINFO = 0x4;
        /// The handler understands tagged addresses.
        const EXPOSE_TAGBITS = 0x800;
        /// `restorer` is given.
        const RESTORER = 0x0400_0000;
        /// The handler runs on the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// Interrupted system calls start again.
        const RESTART = 0x1000_0000;
        /// The signal is not blocked while its handler runs.
        const NODEFER = 0x4000_0000;
        /// The handler is for one time.
        const RESETHAND = 0x8000_0000;
    }
}

/// What to do about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// [`Signal::default_action`].
    Default,
    /// Nothing.
    Ignore,
    /// Call a function of the program.
    User(usize),
}

impl Handler {
    /// From `sa_handler`.
    pub const fn from_address(address: usize) -> Self {
        match address {
            0 => Self::Default,
            1 => Self::Ignore,
            address => Self::User(address),
        }
    }

    /// As `sa_handler`.
    pub const fn address(self) -> usize {
        match self {
            Self::Default => 0,
            Self::Ignore => 1,
            Self::User(address) => address,
        }
    }
}

/// `sigaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// What to do.
    pub handler: Handler,
    /// How.
    pub flags: ActionFlags,
    /// Where the handler returns to.
    pub restorer: usize,
    /// What is blocked while the handler runs.
    pub mask: SigSet,
}

impl Action {
    /// What a new program starts with.
    pub const DEFAULT: Self = Self {
        handler: Handler::Default,
        flags: ActionFlags::empty(),
        restorer: 0,
        mask: SigSet::EMPTY,
    };

    /// Whether `signal` does nothing under this action.
    pub fn ignores(&self, signal: Signal) -> bool {
        match self.handler {
            Handler::Ignore => true,
            Handler::Default => {
                matches!(signal.default_action(), DefaultAction::Ignore | DefaultAction::Continue)
            }
            Handler::User(_) => false,
        }
    }
}

/// The actions of a process, or of several that were cloned with `CLONE_SIGHAND`.
///
/// Most signals are left as they are in most programs, and each process has a copy: only what somebody has chosen is kept.
pub struct Sighand {
    chosen: SpinLock<Vec<(Signal, Action)>>,
}

impl Sighand {
    /// Everything by default.
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Vec::new())
    }

    fn with(chosen: Vec<(Signal, Action)>) -> Arc<Self> {
        Arc::new(Self { chosen: SpinLock::new(&ACTIONS_LOCK, chosen) })
    }

    /// A copy of one's own.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let chosen = self.chosen.lock_irq().clone();
        Self::with(chosen)
    }

    /// What `CLONE_CLEAR_SIGHAND` gives: the same as an executed program inherits.
    pub(crate) fn copy_with_defaults(&self) -> Arc<Self> {
        let is_ignored = |(_, action): &&(Signal, Action)| action.handler == Handler::Ignore;
        let only_ignored = |&(signal, _): &(Signal, Action)| {
            (signal, Action { handler: Handler::Ignore, ..Action::DEFAULT })
        };
        let chosen = self.chosen.lock_irq().iter().filter(is_ignored).map(only_ignored).collect();
        Self::with(chosen)
    }

    /// What is chosen for a signal. Any context.
    #[inline]
    pub fn get(&self, signal: Signal) -> Action {
        let chosen = self.chosen.lock_irq();
        let found = chosen.iter().find(|(other, _)| *other == signal);
        found.map_or(Action::DEFAULT, |&(_, action)| action)
    }

    /// Chooses, and returns what was chosen before.
    pub(crate) fn set(&self, signal: Signal, action: Action) -> Action {
        let mut chosen = self.chosen.lock_irq();
        if let Some((_, old)) = chosen.iter_mut().find(|(other, _)| *other == signal) {
            return core::mem::replace(old, action);
        }
        if action != Action::DEFAULT {
            chosen.push((signal, action));
        }
        Action::DEFAULT
    }

    /// The signals that are ignored by choice, and those that have a handler, as `/proc/PID/status`
    /// shows them.
    pub fn ignored_and_caught(&self) -> (SigSet, SigSet) {
        let chosen = self.chosen.lock_irq();
        let pick = |wanted: fn(Handler) -> bool| {
            let wanted = chosen.iter().filter(|(_, action)| wanted(action.handler));
            wanted.fold(SigSet::EMPTY, |set, &(signal, _)| set.with(signal))
        };
        (
            pick(|handler| handler == Handler::Ignore),
            pick(|handler| matches!(handler, Handler::User(_))),
        )
    }
}
