//! Time: the clocks, and timers that call a function when their time has come.
//!
//! There are two kinds of timers, and each CPU has a queue of each kind:
//!
//! | | [`HrTimer`] | [`Timer`] |
//! |---|---|---|
//! | for | what has to happen on time: sleeps, a program's timers, the tick | time-outs, which are mostly cancelled |
//! | fires | to the nanosecond, as far as the hardware can | at a [`JIFFY`], or an eighth of the time later |
//! | in | the hard interrupt | the softirq `TIMER` |
//! | queue | ordered by deadline | a wheel of buckets |
//! | starting, cancelling | logarithmic | the same few steps, however many there are |
//!
//! A timer belongs to whoever made it, is started and cancelled any number of times, and its function runs on the CPU that started
//! it, never twice at once:
//!
//! ```text
//!            start                  its time comes
//!   idle ─────────────> queued ───────────────────> running ──> idle
//!     ^                  │  ^                          │
//!     └──────cancel──────┘  └── start, on that CPU ────┘  queued and running: cancel_sync waits
//! ```
//!
//! A [`DateTimer`] is a high-resolution timer that waits for a date, and follows it when that is set.
//!
//! Starting allocates nothing: the links are in the timer. Each CPU programs its one-shot timer for the first [`HrTimer`]; the
//! wheel's next bucket is such a timer, too. An idle CPU with nothing queued is not interrupted at all.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod core;
mod date;
mod heap;
mod hrtimer;
mod keep;
pub mod ntp;
mod timer;
pub mod timer_list;
mod wheel;

pub use clock::{
    JIFFY, MICROSECOND, MILLISECOND, SECOND, distrust_counter, from_sched_clock, monotonic,
    realtime, realtime_offset, sched_clock, show, tai_offset,
};
pub use date::{DateTimer, Moment};
pub use hrtimer::{HrTimer, interrupt};
pub use keep::{follow_date, move_realtime, publish, set_leap_hook, set_realtime};
pub use timer::{Timer, prepare};

/// Moves the timers of a CPU that has gone offline to the CPU that this runs on.
pub fn migrate_from(gone: machine::CpuId) {
    let _here = sync::PreemptGuard::new();
    timer::migrate_from(gone);
    hrtimer::migrate_from(gone);
}
