//! Trace events: what happens in the kernel, noted where it happens.
//!
//! A *trace event* is a static with a name, fields and a switch. Code that something happens in
//! says so at a *tracepoint*; while the switch is off that is one load and one jump that is not
//! taken:
//!
//! ```ignore
//!   trace::SCHED_WAKEUP.record(|| SchedWakeup { comm, pid, prio, target_cpu });
//! ```
//!
//! While it is on, the fields go with the time, the CPU and the running task into a ring of the CPU
//! ([`buffer`]), where new records push the oldest out. Readers get them as lines of text in
//! Linux's format ([`mod@line`]), merged by time. The files in `/sys/kernel/tracing` are made by crate
//! `tracefs`.
//!
//! ```text
//!   tracepoint ──off──> nothing
//!       └──on──> ring of this CPU ──read──> a line of `trace` (stays) or `trace_pipe` (taken)
//!                    └── full: the oldest go, and are counted
//! ```
//!
//! This crate stands below the scheduler, so that everything can be traced. What it has to know of
//! the running task it asks a function for that the scheduler hands in.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod buffer;
mod control;
mod event;
mod events;
mod field;
pub mod line;
mod names;
#[cfg(not(target_os = "none"))]
mod tap;

pub use control::{
    Running, clear, is_on, mark, ring_size, set_on, set_ring_size, set_running_hook, with_ring,
};
pub use event::{AnyEvent, Event, Record};
pub use events::*;
pub use field::{Name, Pointer, Symbol};
pub use names::set_by_names;
#[cfg(not(target_os = "none"))]
pub use tap::tap;
