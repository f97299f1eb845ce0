//! System V's semaphores: sets of counters that processes change several of at once, or wait to.
//!
//! ```text
//!   get(key) ──> Set, found by its number ──> operate: all changes at once, or wait until that is possible
//!                  │                            └── with UNDO: the opposite is noted, and done when the process ends
//!                  └── remove ──> who waits gets EIDRM
//! ```
//!
//! Locks: `ipc.sets` and `ipc.set` are spin locks that are never held at once; the second is taken by the conditions of
//! those who wait.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod operate;
mod registry;
mod set;

pub use operate::{Operation, operate, undo_all};
pub use registry::{COUNT_MAX, Create, SETS_MAX, find, get, remove, sets, usage};
pub use set::{Permissions, Set, Status, VALUE_MAX};
