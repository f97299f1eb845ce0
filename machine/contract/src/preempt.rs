//! How the per-CPU preemption count is laid out.
//!
//! One word per CPU says whether the running code may be preempted and in which context it is. Its
//! fields are counters, so that contexts nest. The top bit is *inverted*: it is set while nobody asks
//! for a reschedule, so that "preemption is allowed and a reschedule is wanted" is the one value 0,
//! and leaving a preemption-off section is a decrement and a jump.

/// One level of preemption off (spin lock, explicit disable).
pub const PREEMPT_UNIT: u32 = 1;
/// The levels of preemption off.
pub const PREEMPT_MASK: u32 = 0x0000_00ff;
/// One level of softirq off or being served.
pub const SOFTIRQ_UNIT: u32 = 0x0000_0100;
/// Set while a softirq is being served, which does not nest: one level of softirq.
pub const SOFTIRQ_SERVING: u32 = SOFTIRQ_UNIT;
/// One level of softirqs off, which nests: two levels of softirq, so that the two can be told apart.
pub const SOFTIRQ_OFF: u32 = 2 * SOFTIRQ_UNIT;
/// The levels of softirq.
pub const SOFTIRQ_MASK: u32 = 0x0000_ff00;
/// One level of hard interrupt. The machine adds and takes it around each handler.
pub const HARDIRQ_UNIT: u32 = 0x0001_0000;
/// The levels of hard interrupt.
pub const HARDIRQ_MASK: u32 = 0x000f_0000;
/// One level of non-maskable interrupt. The machine adds and takes it.
pub const NMI_UNIT: u32 = 0x0010_0000;
/// The levels of non-maskable interrupt.
pub const NMI_MASK: u32 = 0x00f0_0000;
/// Set: no reschedule is wanted on this CPU.
pub const NO_RESCHED: u32 = 0x8000_0000;
/// The word's value when a CPU starts: preemption off by one level, nothing wanted.
pub const PREEMPT_AT_START: u32 = NO_RESCHED | PREEMPT_UNIT;
