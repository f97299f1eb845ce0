//! Terminals: the line discipline, job control, the console and pseudo terminals.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ldisc;
pub mod termios;
