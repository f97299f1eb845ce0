//! Softirqs: what an interrupt leaves to be done with interrupts on.
//!
//! There are ten kinds of such work, the *vectors*, each with one handler. A vector is raised on the CPU that
//! runs, and its handler runs on that CPU soon after:
//!
//! ```text
//!            raise                       served by
//!   idle ───────────> pending on a CPU ──┬── the end of an interrupt            [`interrupt_exit`]
//!     ^                                  ├── the end of a section with softirqs off [`BottomHalfGuard`]
//!     │                                  ├── `raise` itself, in a task that could be preempted
//!     │                                  └── ksoftirqd/N, if there was no end of it, or `raise` could not
//!     └── handler has run <── pending bit taken <──┘
//! ```
//!
//! Handlers of one CPU run one after the other, with interrupts on and preemption off; the same handler may run
//! on several CPUs at once. Serving is bounded: after ten rounds, two milliseconds, or when another task
//! should run, what is pending goes to the CPU's `ksoftirqd`, a task among tasks, so that no storm of softirqs starves
//! the others.
//!
//! [`Tasklet`]s are the work for those who do not want a vector of their own, and never run on two CPUs at once.
//!
//! This crate knows no tasks: `ksoftirqd` is a crate above, which says here how it is woken ([`set_daemon`]).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod guard;
mod pending;
mod serve;
mod tasklet;
mod vector;

pub use guard::BottomHalfGuard;
pub use pending::{Daemon, count, is_pending, open, raise, set_daemon, take_over};
pub use serve::{interrupt_exit, serve_in_daemon};
pub use tasklet::{Disabled, Tasklet};
pub use vector::Vector;

/// Opens the vectors that this crate serves itself: those of the tasklets. Once, at start-up.
pub fn init() {
    tasklet::open_vectors();
}
