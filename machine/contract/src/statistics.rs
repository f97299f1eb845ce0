//! What a machine counts.

/// How many interrupts of each kind a CPU has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterruptCounts {
    /// The CPU's own timer.
    pub timer: u64,
    /// [`Ipi::Reschedule`](crate::Ipi::Reschedule).
    pub reschedule: u64,
    /// [`Ipi::CallFunction`](crate::Ipi::CallFunction).
    pub call_function: u64,
    /// Requests of other CPUs to flush translations.
    pub tlb: u64,
    /// Console input.
    pub console: u64,
    /// Non-maskable interrupts.
    pub nmi: u64,
}

/// What costs time in address spaces, of all CPUs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlbCounters {
    /// Switches of address space.
    pub switches: u64,
    /// Flushes of a CPU's own TLB.
    pub local_flushes: u64,
    /// Requests to other CPUs to flush theirs.
    pub remote_flushes: u64,
}

/// Large pages of all address spaces together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargePageCounters {
    /// How many are mapped.
    pub mapped: usize,
    /// How many were split so far: mapped by small pages from then on.
    pub splits: u64,
}
