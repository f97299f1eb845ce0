//! What processes talk through that is neither a file nor a socket: System V's semaphores, message queues and shared
//! memory, and POSIX message queues.
//!
//! | module | idea |
//! |---|---|
//! | [`semaphore`] | sets of counters, changed several at once |
//! | [`message`] | queues of messages with types |
//! | [`shared_memory`] | memory that programs attach |
//! | [`posix`] | queues of messages with priorities, which are files |
//! | [`registry`] | objects of System V by key and number |
//! | [`permissions`] | who may do what with them |
//!
//! Locks: an object's own lock and its registry's are spin locks that are never held at once; an object's is taken by the
//! conditions of those who wait.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod message;
pub mod permissions;
pub mod posix;
pub mod registry;
pub mod semaphore;
pub mod shared_memory;
