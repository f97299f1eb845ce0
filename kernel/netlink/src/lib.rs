//! Sockets of the family AF_NETLINK: programs ask the kernel, and hear what happens in it.
//!
//! ```text
//!    send ──> connector ──> begins or ends listening ──> acknowledgement to group 1
//!         └─> generic ────> nlctrl, TASKSTATS ─────────> answer to the sender's port
//!                  fork, exec, exit, … ────────────────> event to group 1
//!                  a device comes, goes ───────────────> message to group 1
//! ```
//!
//! A message is handled while it is sent, and its answer is in the sender's [inbox](inbox::Inbox) when `send` returns. The
//! kernel never waits for a reader: what does not fit is lost, and the reader is told (ENOBUFS).
//!
//! Locks: `netlink.ports` > `netlink.inbox`, both spin locks; nothing is woken under either.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod connector;
mod controller;
mod family;
mod generic;
mod inbox;
mod message;
mod ports;
mod socket;
mod taskstats;
mod transfer;
mod uevent;

pub use family::FAMILY;

/// Ties this crate to the processes and the devices; once, before the first user task.
pub fn init() {
    connector::init();
    uevent::init();
}
