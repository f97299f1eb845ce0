//! Futexes with an owner, who inherits the priority of those who wait (`FUTEX_LOCK_PI` and its kin).
//!
//! The word is the owner's number, with two marks: that somebody waits, and that the last owner has ended with it. While nobody waits, user mode
//! does all by itself. The first to wait marks the word, so that the owner has to come here to let go, finds the owner by its number, and makes
//! an [`Owned`](super::queue::Owned) with a mutex of `rtmutex`, held by that owner. It is there for as long as anybody waits.
//!
//! Who lets go writes the number of the first waiter into the word and hands it the mutex, both with the bucket locked. An owner that ends cannot
//! write: it may not know where the word is. It hands the mutex over as an *orphan*, and the new owner writes the word before it goes on.
//!
//! | | |
//! |---|---|
//! | `attempt` | what is done with the bucket locked, and what may be in the way |
//! | `lock` | taking one, and waiting for it |
//! | `unlock` | letting go of one, and the end of an owner |
//! | `requeue` | from waiting to be woken to waiting for an owner |

mod attempt;
mod lock;
mod requeue;
mod unlock;

pub(super) use lock::{lock, try_lock};
pub(super) use requeue::{move_waiters, wait_to_be_moved};
pub(super) use unlock::{release_at_end, unlock};

pub(super) const FUTEX_WAITERS: u32 = 0x8000_0000;
pub(super) const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
pub(super) const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
