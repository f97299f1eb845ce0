//! Terminals.
//!
//! A [`Tty`] stands between a device ([`Driver`]) and programs. Its line discipline ([`ldisc`])
//! makes lines of key strokes and echoes them; its job control decides which of a session's process
//! groups may read, and whom the keyboard's signals go to.
//!
//! ```text
//!   made by a driver ──> opened ──> a session's leader acquires it ──> foreground groups change
//!                          ^                                             │ the leader ends, or
//!                          └── opened again <── hung up, files dead <────┘ the other side goes
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `termios` | the settings and their layout in user memory |
//! | `ldisc` | what is made of the bytes; pure logic |
//! | `tty` | the terminal: line discipline, driver, locks |
//! | `read`, `write` | programs using it |
//! | `file` | open files |
//! | `job` | sessions, foreground, who is kept out |
//! | `control` | `ioctl` |
//! | `console` | the serial console |
//! | `pty` | pseudo terminals, `/dev/ptmx` and devpts |
//! | `devices` | the character devices |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod console;
mod control;
mod devices;
mod driver;
mod file;
mod job;
pub mod ldisc;
mod pty;
mod read;
mod ring;
pub mod termios;
mod tty;
mod write;

pub use console::{console, input_interrupt};
pub use devices::init;
pub use driver::Driver;
pub use file::TerminalFile;
pub use tty::{Tty, WindowSize};
