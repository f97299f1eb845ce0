//! Executing a program: what stands between `execve` and the program's first instruction.
//!
//! ```text
//!   execve ──> find the file ──> `#!`? take the interpreter and start over (at most five times)
//!                                 │
//!                                 v
//!                   Image::build: a new address space with the program's file mapped, its
//!                                 interpreter too, and the first stack written
//!                                 │        (up to here every error goes back to the old program)
//!                    ─────────────┼──────── point of no return ────────
//!                                 v
//!                   the other threads end, the old memory goes, files close, handlers are forgotten
//!                                 │
//!                                 v
//!                   registers cleared; user mode goes on at the entry
//! ```
//!
//! [`elf`] reads what nobody vouches for, [`script`] the first line of scripts, [`stack`] writes
//! what a program finds on its stack.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod credentials;
pub mod elf;
mod execute;
mod file;
mod image;
mod load;
pub mod script;
pub mod stack;
mod strings;
pub mod vdso;

pub use execute::{Program, arguments_limit, execute, execute_from_kernel};
pub use strings::Strings;
