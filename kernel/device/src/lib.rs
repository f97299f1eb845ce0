//! Devices: what a driver has, as the rest of the system sees it.
//!
//! ```text
//!   Builder::add ──> /sys/devices/…/NAME ──> /dev/NAME ──> "add@…"      Device::remove: backwards
//!     the driver      sysfs                   kdevtmpfs     uevent
//! ```
//!
//! - [`Builder`], [`Device`]: a device of a class; it comes as a whole or not at all.
//! - `kdevtmpfs`: the thread that makes and removes the nodes, one request after another, and answers who has asked.
//! - [`misc`]: devices that share major number 10.
//! - [`uevent`]: what is told to programs that listen for devices.
//! - `memory`: `/dev/null` and its like.
//!
//! `docs/devices.md` has the states, the races and what closes each.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod builder;
mod entries;
mod kdevtmpfs;
mod memory;
pub mod misc;
pub mod uevent;

use errno::Result;

pub use builder::{Builder, Device};

/// Starts `kdevtmpfs`, and adds the devices that every machine has. Once, after `fs::init`, when kernel threads can be made.
///
/// # Errors
/// EBUSY, EEXIST: called twice. ENOMEM; as making a kernel thread.
pub fn init() -> Result<()> {
    kdevtmpfs::start()?;
    uevent::register()?;
    memory::register()?;
    misc::init()
}
