//! What code on several CPUs needs before there is a scheduler: sections that are not preempted or
//! interrupted, spin locks, per-CPU data, values set once, and the slot for the running task.
//!
//! Three kinds of sections, each a guard that ends what it began:
//!
//! - [`PreemptGuard`]: this task stays on this CPU and keeps it. Interrupts come.
//! - [`IrqGuard`]: nothing comes in between on this CPU.
//! - [`SpinLock::lock`] and [`SpinLock::lock_irq`]: one of the above, and no other CPU either.
//!
//! In debug builds [`lockdep`] watches the order in which locks are taken, and [`might_sleep`] that
//! nobody sleeps inside such a section.
//!
//! This crate owns the data structures that cannot do without `unsafe` (a lock's cell, a per-CPU cell, a list's links, the task slot);
//! the crates above build on them and forbid it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod any;
mod barrier;
mod current;
mod direct;
mod irq;
mod keycell;
mod list;
mod local;
pub mod lockdep;
mod once;
mod percpu;
mod preempt;
mod shown;
mod spin;
mod takecell;
mod trycell;

pub use any::AnyOnce;
pub use barrier::fence_after_exchange;
pub use current::{Current, CurrentSlot};
pub use direct::Direct;
pub use irq::IrqGuard;
pub use keycell::{Key, KeyCell};
pub use list::{Choice, Linked, Links, List};
pub use local::LocalCell;
pub use lockdep::LockClass;
pub use once::Once;
pub use percpu::{CachePadded, PerCpu};
pub use preempt::{
    PreemptGuard, assert_preempt_off, in_atomic, in_hardirq, in_interrupt, in_serving_softirq,
    might_sleep, preempt_point, preemptible, set_reschedule_hook,
};
pub use shown::{Showing, Shown};
pub use spin::{SpinGuard, SpinIrqGuard, SpinIrqsOffGuard, SpinLock};
pub use takecell::TakeCell;
pub use trycell::{ReadGuard, TryCell, WriteGuard};
