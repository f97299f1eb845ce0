//! What a queue is made with.

use bitflags::bitflags;

bitflags! {
    /// How a queue's items are run (Linux's `WQ_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WqFlags: u32 {
        /// Not tied to the CPU that queues: workers run anywhere on the node, and how many run at once is left to the scheduler.
        const UNBOUND = 1 << 1;
        /// Stands still while the system is frozen.
        const FREEZABLE = 1 << 2;
        /// May be needed to free memory: has a rescuer, so that it goes on when no worker can be made.
        const MEM_RECLAIM = 1 << 3;
        /// Run by workers of nice -20.
        const HIGHPRI = 1 << 4;
        /// Its items use the CPU for long: they do not keep other items of their pool from running.
        const CPU_INTENSIVE = 1 << 5;
        /// Shown in `/sys/devices/virtual/workqueue`. Not with `ORDERED`.
        const SYSFS = 1 << 6;
        /// Unbound, if the command line asks to save power (`workqueue.power_efficient`).
        const POWER_EFFICIENT = 1 << 7;
        /// One item at a time, in the order in which they were queued. With `UNBOUND`.
        const ORDERED = 1 << 17;
    }
}

/// How many items of a queue run at once for each CPU (or node), if it does not say.
pub const DEFAULT_ACTIVE: u32 = 256;
/// The most that a queue may ask for.
pub const MAX_ACTIVE: u32 = 512;
