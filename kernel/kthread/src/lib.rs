//! Kernel threads: made by `kthreadd`, run, stopped, parked.
//!
//! ```text
//!   creator                    kthreadd (PID 2)              newborn
//!   ───────                    ────────────────              ───────
//!   Builder::create
//!     makes a record, puts
//!     it on the list, wakes ─> takes it from the list
//!     sleeps, killably         makes a thread, gives it the
//!                              record, starts it ──────────> starts
//!                              sleeps if the list is empty   reports itself in its request
//!     wakes <──────────────────────────────────────────────  wakes the creator
//!   has a Created                                            sleeps, uninterruptibly
//!     Created::wake ───────────────────────────────────────> runs the thread function
//!   has a Handle                                               looks at should_stop() ...
//!     Handle::stop ────────────────────────────────────────>   sees it, returns a result
//!     sleeps until it has left its stack <─────────────────  ends
//!   has an Exit
//! ```
//!
//! Types keep the states apart: a [`Created`] thread has never run and can be bound; waking it turns it into a [`Handle`];
//! stopping consumes either. The thread function is handed a [`This`], through which it asks what is wanted of it; nobody
//! else can ask in its name.
//!
//! | file | idea |
//! |---|---|
//! | `builder` | what a thread is made with |
//! | `request` | the hand-shake between creator, kthreadd and newborn, and its abandonment |
//! | `kthreadd` | PID 2 |
//! | `thread` | the record of a thread: its request, its flags, its end |
//! | `handle` | the holder's side: wake, stop, park, unpark |
//! | `this` | the thread's own side: should_stop, parkme |
//! | `freezer` | freezing and thawing |
//! | `worker` | a thread that works through a queue |
//! | `smpboot` | one thread per CPU, that comes and goes with it |
//! | `reaper` | what is left of dead tasks |
//! | `backtrace` | where a task sleeps, and what a CPU does |
//! | `registers` | what a CPU's registers held, in the log |
//! | `oops` | a thread that panics dies alone, where that is safe |
//! | `warn` | something is wrong, and the kernel goes on |
//! | `use_mm` | a kernel thread takes on a user address space for a while |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod backtrace;
mod builder;
pub mod freezer;
mod handle;
mod kthreadd;
pub mod oops;
pub mod reaper;
mod registers;
mod request;
pub mod smpboot;
mod this;
mod thread;
mod use_mm;
pub mod warn;
pub mod worker;

pub use builder::Builder;
pub use handle::{Created, Exit, Handle};
pub use kthreadd::{is_ready, kthreadd, requests_waiting};
pub use this::This;
pub use thread::{NAME_LENGTH, full_name, live_threads};
pub use use_mm::UseMm;
