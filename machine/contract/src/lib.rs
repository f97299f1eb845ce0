//! The plain types that every machine and the kernel share.
//!
//! A *machine* is the hardware as the kernel sees it: `machine-x86_64` is a real one, `machine-sim`
//! a simulated one inside a host process. Both export the same modules with the same functions; the
//! crate `machine` picks one by target and checks at compile time that nothing is missing. This crate
//! holds what the signatures of those functions are made of, and nothing else.
#![no_std]
#![deny(missing_docs)]

pub mod counter;
pub mod cpu;
pub mod fault;
pub mod frame;
pub mod preempt;
pub mod registers;
pub mod signal;
pub mod statistics;
pub mod trap;
pub mod upcalls;

pub use counter::{CPU_NUMBER_BITS, Counter};
pub use cpu::{CpuId, MAX_CPUS, StartError};
pub use fault::{Access, Fault};
pub use frame::{
    Block, Frame, FrameRange, LARGE_PAGE_FRAMES, LARGE_PAGE_SIZE, MappedVisitor, NodeId,
    OutOfFrames, PAGE_SHIFT, PAGE_SIZE, Protection, Region, UnmapSink,
};
pub use registers::{
    CPU_REGISTER_WORDS, CpuRegisters, DebugRegisters, REGISTER_WORDS, UserRegisters, WATCHES,
};
pub use signal::{RestoredSignal, SignalFrame};
pub use statistics::{InterruptCounts, LargePageCounters, TlbCounters};
pub use trap::Trap;
pub use upcalls::{Ipi, Oops, OopsKind, Upcalls};
