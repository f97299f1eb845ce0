//! Futexes: words in user memory that tasks sleep on.
//!
//! User mode does the locking; the kernel is asked only to sleep while a word has a value, and to
//! wake those who sleep. [`key`] says when two addresses are the same futex, [`queue`] who waits,
//! [`operation`] is the system call, [`vector`] waits for any of several, [`pi`] is about those
//! with an owner that inherits the priority of who waits, and [`robust`] is what
//! happens to the locks of a thread that ends.

mod key;
mod operation;
mod pi;
mod queue;
mod robust;
mod vector;

pub use operation::{FutexWait, futex, wait, wake_address};
pub use robust::{get_robust_list, release_current_thread, set_robust_list};
pub use vector::futex_waitv;
