//! What a process has chosen to do about each signal.

use alloc::sync::Arc;

use bitflags::bitflags;
use sync::{LockClass, SpinLock};

use super::number::{DefaultAction, SIGNAL_MAX, SigSet, Signal};

/// Taken inside `process.signals`; nothing is taken inside.
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
pub struct Sighand {
    actions: SpinLock<[Action; SIGNAL_MAX as usize]>,
}

impl Sighand {
    /// Everything by default.
    pub(crate) fn new() -> Arc<Self> {
        Self::with([Action::DEFAULT; SIGNAL_MAX as usize])
    }

    fn with(actions: [Action; SIGNAL_MAX as usize]) -> Arc<Self> {
        Arc::new(Self { actions: SpinLock::new(&ACTIONS_LOCK, actions) })
    }

    /// A copy of one's own.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let actions = *self.actions.lock_irq();
        Self::with(actions)
    }

    /// What `CLONE_CLEAR_SIGHAND` gives: the same as an executed program inherits.
    pub(crate) fn copy_with_defaults(&self) -> Arc<Self> {
        let mut actions = *self.actions.lock_irq();
        for action in &mut actions {
            *action = match action.handler {
                Handler::Ignore => Action { handler: Handler::Ignore, ..Action::DEFAULT },
                _ => Action::DEFAULT,
            };
        }
        Self::with(actions)
    }

    /// What is chosen for a signal. Any context.
    pub fn get(&self, signal: Signal) -> Action {
        self.actions.lock_irq()[index(signal)]
    }

    /// Chooses, and returns what was chosen before.
    pub(crate) fn set(&self, signal: Signal, action: Action) -> Action {
        core::mem::replace(&mut self.actions.lock_irq()[index(signal)], action)
    }

    /// The signals that are ignored by choice, and those that have a handler, as `/proc/PID/status`
    /// shows them.
    pub fn ignored_and_caught(&self) -> (SigSet, SigSet) {
        let actions = *self.actions.lock_irq();
        let pick = |wanted: fn(Handler) -> bool| {
            (1..=SIGNAL_MAX)
                .filter_map(Signal::from_number)
                .filter(|&signal| wanted(actions[index(signal)].handler))
                .fold(SigSet::EMPTY, SigSet::with)
        };
        (
            pick(|handler| handler == Handler::Ignore),
            pick(|handler| matches!(handler, Handler::User(_))),
        )
    }
}

fn index(signal: Signal) -> usize {
    signal.number() as usize - 1
}
