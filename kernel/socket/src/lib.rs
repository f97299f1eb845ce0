//! What the sockets of all families share.
//!
//! ```text
//!   socket() ──> Family::create ──> a Socket of that family ──> open ──> a file ──> release, by its last close
//!                                        │                        │
//!                                   Options: SO_*            of_file: back from a descriptor
//! ```
//!
//! A [`Family`] makes [sockets](Socket) that behave as it says; system calls and files reach them through these two traits,
//! so a further family is a further implementation. Addresses pass through as the bytes of a [`RawAddress`], which only
//! the family understands.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod family;
mod file;
mod message;
mod options;
mod wait;

pub use address::RawAddress;
pub use family::{Family, Shutdown, Socket, Type};
pub use file::{of_family, of_file, open, open_pair};
pub use message::{Ancillary, FILES_MAX, Identity, MESSAGE_OVERHEAD, Receive, Received};
pub use options::{BUFFER_DEFAULT, BUFFER_MAX, BUFFER_MIN, Options};
pub use wait::wait_error;
