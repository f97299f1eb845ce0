//! The clock page (`[vvar]`): what the kernel tells programs about the clocks, so that they can read them without a system call.
//!
//! This crate is linked twice: into the kernel, which has the [`Writer`], and into the vDSO, which has the [`Reader`]. So it
//! says once what both have to agree on: the words of the page, the protocol, and what each clock shows.
//!
//! The protocol is a sequence lock. The sequence number is odd while the page is being written; a reader that finds
//! the same even number before and after has read what belongs together. The writer never waits, and a reader waits for no
//! longer than a write takes, which is done with interrupts off.
#![no_std]
#![forbid(unsafe_code)]

mod clock;
mod pace;
mod page;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use clock::{COARSE_RESOLUTION, Clock, Precise, RESOLUTION, at_tick};
pub use contract::CPU_NUMBER_BITS;
pub use pace::{Pace, PaceCell};
pub use page::Words;
pub use reader::Reader;
pub use writer::{Clocks, Writer};
