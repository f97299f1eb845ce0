//! How a kernel starts, on any machine: from the boot CPU's first Rust function to PID 0, 1 and 2.
//!
//! ```text
//!   boot CPU                    PID 1 (kernel_init)          PID 2 (kthreadd)
//!   early()
//!     log, memory, scheduler
//!   rest_init(init)
//!     kernel_thread ──────────> waits for kthreadd_done
//!     kernel_thread ─────────────────────────────────────────> waits for requests
//!     completes kthreadd_done ─> CPUs, daemons, init()
//!     becomes the idle task
//!     of CPU 0 (PID 0)
//! ```
//!
//! The image and the scenarios on the simulated machine start the same way; only `init` differs.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod early;
mod leap;
mod reaper;
mod rest;
mod upcalls;

pub use early::early;
pub use rest::{Init, rest_init};
pub use upcalls::{set_console_input, set_user_fault};
