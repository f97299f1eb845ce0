//! `/dev/watchdog`: a program has to say again and again that it lives, or the machine is reset.
//!
//! ```text
//!   program ──> file ──> Watchdog ──> Driver: softdog, a timer whose end is the machine's
//!    write, ioctl          state         start (again), stop
//! ```
//!
//! - `watchdog`: what Linux calls the watchdog core: one file at a time, the magic character, no way out, time-outs, and the
//!   warning before the end.
//! - `file`, `control`: what programs do with it. `attributes`: `/sys/class/watchdog`.
//! - `keeper`: the kernel keeps a dog quiet that runs before a program has come: `watchdogd`.
//! - `registry`: which dog has which number.
//! - `softdog`: the driver. `binding`: how it comes and goes.
//!
//! The watchers of lockups and hung tasks, who watch the kernel itself, are in crate `watchdog`.
//!
//! `docs/softdog.md` has the states, the races and what closes each.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod attributes;
mod binding;
mod control;
mod driver;
mod file;
mod governor;
mod keeper;
pub mod parameters;
mod registry;
mod softdog;
mod watchdog;

pub use binding::init;
