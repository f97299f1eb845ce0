//! Time: the clocks, and timers that call a function when their time has come.
//!
//! Each CPU has a queue of its timers, ordered by deadline, and programs its one-shot timer for the
//! first of them; an idle CPU with an empty queue is not interrupted at all. A [`Timer`] belongs to whoever
//! made it, is started and cancelled any number of times, and calls its function in hard-interrupt
//! context on the CPU that started it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod queue;
mod timer;

pub use clock::{
    MICROSECOND, MILLISECOND, SECOND, monotonic, realtime, realtime_offset, set_realtime,
};
pub use queue::{interrupt, migrate_from};
pub use timer::Timer;
