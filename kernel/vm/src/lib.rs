//! User address spaces: what a program has mapped, and the pages that appear as it touches them.
//!
//! ```text
//!   Mm (its users) ──► mappings: Vma, Vma, …   in order of address, under mmap_lock
//!     │                  └─► Source: zeros, or the pages of a Backing (a file)
//!     └──► AddressSpace (the page tables)      filled by faults, emptied with the last user
//!               ▲
//!               └── CPUs that run kernel threads meanwhile (lazy TLB)
//! ```
//!
//! The life of a page of a program: [`Mm::mmap`] promises it. The first access faults,
//! [`Mm::handle_fault`] makes or finds it and maps it. [`Mm::fork`] shares it with a child; who
//! stores into it next gets a copy (copy on write). [`Mm::munmap`], or the end of the last user,
//! takes the reference back, and the last reference frees it.
//!
//! Two counts, as in Linux: users of the address space hold an `Arc<Mm>`, and when the last lets go
//! everything is unmapped; the page tables themselves are an `Arc<AddressSpace>`, which CPUs may
//! borrow longer.
//!
//! Lock order: `mmap_lock`, then the locks of a [`Backing`], then `page table entries`, then what
//! `memory` and the machine take. So nobody copies to or from user memory while holding a lock that
//! a `Backing` takes for a page.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod advise;
mod backing;
mod barrier;
mod brk;
mod detach;
mod error;
mod flags;
mod fork;
mod futex;
mod large;
mod layout;
mod map;
mod mappings;
mod mm;
mod msync;
mod page_fault;
mod protect;
mod remap;
mod remote;
mod rss;
mod show;
mod stack;
mod usage;
mod vma;

pub use advise::Advice;
pub use backing::{Backing, SharedMemory, Source, Visit};
pub use barrier::Barriers;
pub use error::FaultError;
pub use flags::{MapFlags, Prot, VmFlags};
pub use futex::FutexPlace;
pub use large::{LargePageStatistics, Welcome};
pub use layout::{Layout, Limits, mmap_base};
pub use map::{MapRequest, MapSource};
pub use mm::Mm;
pub use msync::SyncFlags;
pub use remap::RemapFlags;
pub use remote::Force;
pub use usage::{Statistics, Usage};
pub use vma::Vma;
