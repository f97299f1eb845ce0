//! Mutexes with priority inheritance: whoever holds one runs as urgently as the most urgent of those who wait for it, and if the holder
//! waits for another one itself, so does the holder of that, and so on.
//!
//! ```text
//!                     block                    hand_over, by the holder
//!   Nobody ──> Held ─────────> Held, waiters ─────────────────────────> Granted to the first
//!                ^                   │  leave: time, a signal              │           │
//!                │                   v                                     │ claim     │ steal, by one more urgent
//!                └───────────── (the waiter gives up)                      v           v
//!                                                                        Held     Held by the thief; the other one waits again
//! ```
//!
//! | | |
//! |---|---|
//! | `party` | what a task has to do with such mutexes |
//! | [`mutex`](RtMutex) | one of them: its holder, and who waits, the most urgent first |
//! | [`chains`](Chains) | all that changes them, and lends urgency along |
//!
//! There is one lock over all of it, [`Chains`]. Nobody comes here but for a mutex that somebody holds already, and a chain of holders and waiters can
//! be walked only if nothing changes meanwhile. What a mutex is *for*, and how a free one is taken, is its user's: for futexes that happens in user
//! memory.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod chains;
mod mutex;
mod party;

pub use chains::{Chains, chains};
pub use mutex::RtMutex;
pub use party::{has_party, is_granted, prepare};
