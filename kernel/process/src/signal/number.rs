//! Signal numbers and sets of them.

use core::fmt;

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// The highest signal number.
pub const SIGNAL_MAX: u32 = 64;
/// The lowest real-time signal.
pub const SIGRTMIN: u32 = 32;

macro_rules! signals {
    ($($name:ident = $number:literal;)*) => {
        impl Signal {
            $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: Self = Self($number);)*

            /// The name, for a signal that has one.
            pub const fn name(self) -> Option<&'static str> {
                match self { $(Self::$name => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

signals! {
    SIGHUP = 1; SIGINT = 2; SIGQUIT = 3; SIGILL = 4; SIGTRAP = 5; SIGABRT = 6; SIGBUS = 7;
    SIGFPE = 8; SIGKILL = 9; SIGUSR1 = 10; SIGSEGV = 11; SIGUSR2 = 12; SIGPIPE = 13; SIGALRM = 14;
    SIGTERM = 15; SIGSTKFLT = 16; SIGCHLD = 17; SIGCONT = 18; SIGSTOP = 19; SIGTSTP = 20;
    SIGTTIN = 21; SIGTTOU = 22; SIGURG = 23; SIGXCPU = 24; SIGXFSZ = 25; SIGVTALRM = 26;
    SIGPROF = 27; SIGWINCH = 28; SIGIO = 29; SIGPWR = 30; SIGSYS = 31;
}

/// What a signal does to a process that has not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// Ends the process.
    Terminate,
    /// Ends the process; Linux would also write its memory to a core file.
    Core,
    /// Stops the process.
    Stop,
    /// Lets a stopped process go on; nothing else.
    Continue,
    /// Nothing.
    Ignore,
}

impl Signal {
    /// The signal with this number; none for 0 and beyond [`SIGNAL_MAX`].
    pub const fn from_number(number: u32) -> Option<Self> {
        if number >= 1 && number <= SIGNAL_MAX { Some(Self(number as u8)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// Whether each sending of it is queued: a real-time signal.
    pub const fn is_real_time(self) -> bool {
        self.number() >= SIGRTMIN
    }

    /// Whether it stops processes, with or without asking.
    pub const fn stops(self) -> bool {
        SigSet::STOPPING.contains(self)
    }

    /// What it does to a process that has not chosen.
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::SIGCHLD | Self::SIGURG | Self::SIGWINCH => DefaultAction::Ignore,
            Self::SIGCONT => DefaultAction::Continue,
            Self::SIGSTOP | Self::SIGTSTP | Self::SIGTTIN | Self::SIGTTOU => DefaultAction::Stop,
            Self::SIGQUIT
            | Self::SIGILL
            | Self::SIGTRAP
            | Self::SIGABRT
            | Self::SIGBUS
            | Self::SIGFPE
            | Self::SIGSEGV
            | Self::SIGXCPU
            | Self::SIGXFSZ
            | Self::SIGSYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

/// A set of signals: bit `n - 1` for signal `n`, as user space sees it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SigSet(u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);
    /// Those that stop a process.
    pub const STOPPING: Self =
        Self::of(Signal::SIGSTOP).with(Signal::SIGTSTP).with(Signal::SIGTTIN).with(Signal::SIGTTOU);
    /// Those that nobody can block, ignore or handle.
    pub const UNMASKABLE: Self = Self::of(Signal::SIGKILL).with(Signal::SIGSTOP);
    /// Those that tell a thread of its own doing, and so go before all others.
    pub const SYNCHRONOUS: Self = Self::of(Signal::SIGSEGV)
        .with(Signal::SIGBUS)
        .with(Signal::SIGILL)
        .with(Signal::SIGTRAP)
        .with(Signal::SIGFPE)
        .with(Signal::SIGSYS);

    /// From user space's bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As user space sees it.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// One signal.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// Whether a signal is in the set.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// The set with one more.
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | Self::of(signal).0)
    }

    /// What is in either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The signal with the lowest number.
    pub const fn first(self) -> Option<Signal> {
        if self.0 == 0 { None } else { Some(Signal(self.0.trailing_zeros() as u8 + 1)) }
    }

    /// Which of the set is taken first: what the thread did itself, then by number.
    pub(crate) fn next_to_take(self) -> Option<Signal> {
        self.and(Self::SYNCHRONOUS).first().or(self.first())
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_user_space_bits() {
        assert_eq!(SigSet::of(Signal::SIGHUP).bits(), 1);
        assert_eq!(SigSet::of(Signal::SIGKILL).bits(), 0x100);
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
        let last = Signal::from_number(64).unwrap();
        assert_eq!(SigSet::of(last).bits(), 1 << 63);
        assert_eq!(SigSet::ALL.minus(SigSet::from_bits(u64::MAX >> 1)).first(), Some(last));
    }

    #[test]
    fn a_thread_hears_of_its_own_faults_first() {
        let set = SigSet::of(Signal::SIGHUP).with(Signal::SIGSEGV);
        assert_eq!(set.next_to_take(), Some(Signal::SIGSEGV));
        assert_eq!(
            SigSet::of(Signal::SIGTERM).with(Signal::SIGINT).next_to_take(),
            Some(Signal::SIGINT)
        );
        assert_eq!(SigSet::EMPTY.next_to_take(), None);
    }
}
