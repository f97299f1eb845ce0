//! The watchers: they find what has stopped going on, and say so in the log as Linux does.
//!
//! | who | finds | how it looks |
//! |---|---|---|
//! | `khungtaskd` | a task that sleeps uninterruptibly for too long | goes through all tasks when the first of them could be due |
//! | `watchdog/N` | CPU N does not switch tasks: a soft lockup | a timer of CPU N wakes it, and looks whether it ran since the last time |
//! | the timer of CPU N-1 | CPU N takes no interrupts: a hard lockup | compares how many it has taken |
//!
//! A CPU's part in the watch:
//!
//! ```text
//!           online               the timer expires, it has nothing to do,
//!   Out ──────────────> Working ───┬─ and the next CPU works ──────────> Watching
//!       <──────────────    ^       │                                       │  ^
//!           offline        │       └─ and the next CPU does not ──> Resting <┘  │ called by
//!                          │                                          │  └─────┘ the next CPU
//!                          └── leaves its idle task, serves softirqs ─┴── (Watching, too)
//! ```
//!
//! So a machine on which nothing runs is not woken. What a CPU does when it leaves its idle task costs a load; the
//! rest happens once in a timer's period at most.
//!
//! Reports of lockups come out of the timer's interrupt, on the CPU in question or on its watcher; they take no lock that the
//! stuck CPU may hold, but for the log's.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod hung_task;
pub mod lockup;

use errno::Result;

/// Starts the watchers that are wanted. Once, by PID 1, when kernel threads can be made. May sleep.
///
/// # Errors
/// As [`kthread::Builder::create`].
pub fn init() -> Result<()> {
    hung_task::start()?;
    lockup::start()
}
