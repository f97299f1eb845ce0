//! Memory: who has which page frame, and the kernel heap.
//!
//! The life of a frame. The machine finds memory in *regions*. [`init`] adds each to the *zone* of
//! its node, untouched: a zone takes it into use a section (4 MiB) at a time, when it needs it, so
//! booting costs the same whatever the size of memory. A used section has an entry of metadata per
//! frame, and its free frames are blocks of the zone's *buddy* lists. Single frames pass through a
//! cache per CPU:
//!
//! ```text
//!   region ──► zone: untouched ──► buddy blocks (order 0..=10) ──► CPU's frame cache ──► Page
//!              (sections)              ▲      │                          ▲                 │
//!                                      │      └──► slabs ──► objects     └─────────────────┘
//!                                      │      └──► large heap blocks        last reference
//!                                      └────────────────── freed, merged
//! ```
//!
//! - [`Page`]: a reference to a frame in use, counted. Cloning adds a reference, dropping the last
//!   frees.
//! - [`LargePage`]: references to 512 pages that follow each other and are mapped as one.
//! - [`allocate_frame`], [`free_frame`] and [`free_zeroed_frame`]: the same for the machine's own use,
//!   as its upcalls want it.
//! - [`heap`]: the allocator behind `alloc`: slabs of fixed-size objects, with a free list per CPU.
//! - [`statistics`](Statistics): what `/proc/meminfo` and `/proc/buddyinfo` show.
//!
//! Nothing here sleeps. Everything may be called from an interrupt.
//!
//! Locks, from outer to inner: a CPU's object lists (interrupts off), `slab depot`, `frame cache`,
//! `zone`. The heap is not used below any of them.
#![cfg_attr(not(test), no_std)]

#[cfg(test)]
mod arena;
mod frames;
pub mod heap;
mod large_page;
mod page;
mod pressure;
mod statistics;

pub use contract::{FrameRange, NodeId, PAGE_SHIFT, PAGE_SIZE};
pub use frames::{
    MAX_NODES, ORDERS, add_region, allocate_frame, drain_cpu, free_frame, free_zeroed_frame, init,
};
pub use large_page::{LargePage, alloc_large_page};
pub use page::{Page, alloc_anonymous_page, alloc_page, alloc_page_for_overwrite};
pub use pressure::{require_free, set_out_of_memory_hook};
pub use statistics::{
    NodeStatistics, SlabStatistics, Statistics, node_statistics, slab_statistics, statistics,
    total_bytes,
};
