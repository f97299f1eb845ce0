//! What the guest's own little programs run on: no C library, no `std`, only system calls.
//!
//! A program names its main function with [`program!`]; [`start`] brings it to life with its
//! arguments and ends the process with what it returns. The rest is a thin, typed layer over the
//! system calls that these programs need ([`file`], [`process`], [`thread`], [`terminal`], [`memory`]), and
//! [`sys`], the bare system call, for programs that want to do harm.
#![no_std]

pub mod checks;
pub mod clock;
pub mod error;
pub mod file;
pub mod memory;
pub mod print;
pub mod process;
pub mod random;
pub mod sched;
pub mod signal;
pub mod start;
pub mod string;
pub mod sys;
pub mod terminal;
pub mod thread;
pub mod vdso;

pub use error::{Errno, Result};
pub use start::{Arguments, auxiliary};

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    eprintln!("{info}");
    process::exit(101)
}
