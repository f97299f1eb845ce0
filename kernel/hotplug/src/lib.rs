//! CPUs come and go.
//!
//! ```text
//!            up                                             down
//!   Offline   threads made, parked                Offline <─┐
//!      │      idle task started                             │ idle task parks the CPU
//!      v                                                    │
//!   Starting  the CPU runs its idle task          Dying ────┘
//!      │      stopper unparked                      ^
//!      │      per-CPU threads unparked              │ stop_machine: the CPU is no longer online,
//!      v                                            │ what waits there is moved
//!   Online ── active: takes any task ── down ───────┘ per-CPU threads parked, callbacks undone
//! ```
//!
//! One change at a time, under one lock. Steps that belong on the CPU itself are run there by `cpuhp/N`. A step that fails is undone
//! from where it got to.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod callbacks;
mod change;
mod migration;

pub use callbacks::{Callback, register_callback};
pub use change::{bring_up_others, down, init, is_online, up};
