//! The machine that the kernel runs on: one contract, several machines.
//!
//! The kernel's crates name the hardware through this crate only. Which machine stands behind it is
//! decided by the target: bare metal on x86-64 is `machine-x86_64`, a hosted target is the
//! simulated machine. What each function promises is written here once; the machines' own pages say
//! how they keep it.
//!
//! | module | what it gives |
//! |---|---|
//! | [`boot`] | command line, initial file system, handing over the [`Upcalls`] |
//! | [`cpu`] | number and identity of CPUs, starting and stopping them, the per-CPU words |
//! | [`irq`] | interrupts off and on, interrupts between CPUs |
//! | [`time`] | the monotonic clock, one one-shot timer per CPU, the date |
//! | [`thread`] | kernel stacks, contexts, the switch |
//! | [`memory`] | what frames there are, their contents, address spaces, TLB counters |
//! | [`user`] | user contexts and copies to and from user memory |
//! | [`console`] | the serial console, the kernel log's way out |
//! | [`power`] | off, reset, and ending with a status |
//! | [`entropy`] | random bytes from the hardware |
//! | [`backtrace`] | who called whom |
//!
//! All functions are safe. What a caller must keep to so that they *work* is written at each; breaking
//! it leads to a panic or a hang, not to undefined behaviour.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(all(target_os = "none", target_arch = "x86_64"))]
use machine_x86_64 as imp;

#[cfg(not(target_os = "none"))]
use machine_sim as imp;

pub use contract::*;
pub use imp::{backtrace, boot, console, cpu, entropy, irq, memory, power, thread, time, user};

#[cfg(not(target_os = "none"))]
pub use imp::sim;

mod check;
