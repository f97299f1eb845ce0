//! The vectors.

/// A kind of softirq, in the order in which they are served; numbers and names are Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Vector {
    /// High-priority tasklets.
    Hi = 0,
    /// The timer wheel.
    Timer = 1,
    /// Network packets to send.
    NetTx = 2,
    /// Network packets received.
    NetRx = 3,
    /// Requests to block devices that are done.
    Block = 4,
    /// Polling of block devices.
    IrqPoll = 5,
    /// Tasklets.
    Tasklet = 6,
    /// Load balancing.
    Sched = 7,
    /// High-resolution timers that do not want the hard interrupt.
    HrTimer = 8,
    /// Read-copy-update.
    Rcu = 9,
}

impl Vector {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// All, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Hi,
        Self::Timer,
        Self::NetTx,
        Self::NetRx,
        Self::Block,
        Self::IrqPoll,
        Self::Tasklet,
        Self::Sched,
        Self::HrTimer,
        Self::Rcu,
    ];

    /// The name in `/proc/softirqs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hi => "HI",
            Self::Timer => "TIMER",
            Self::NetTx => "NET_TX",
            Self::NetRx => "NET_RX",
            Self::Block => "BLOCK",
            Self::IrqPoll => "IRQ_POLL",
            Self::Tasklet => "TASKLET",
            Self::Sched => "SCHED",
            Self::HrTimer => "HRTIMER",
            Self::Rcu => "RCU",
        }
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}
