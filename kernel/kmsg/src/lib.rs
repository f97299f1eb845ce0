//! The kernel log for programs: `/dev/kmsg`, and what `/proc/kmsg` and `syslog` are made of.
//!
//! `klog` writes records in any context and wakes nobody; the tick notices that there is something
//! new and calls the hook that [`init`] sets. Every reader keeps the number of the record that it
//! wants next, so readers do not disturb each other.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod device;
mod syslog;

use alloc::sync::Arc;

use ::device::Builder;
use errno::{Errno, Result};
use fs::{DeviceNumber, PollEvents, PollTable, char_device};
use sched::{Sleep, WaitQueue};
use sync::Once;

pub use syslog::{format_record, syslog_buffer_size, syslog_read_all};

/// `/dev/kmsg`.
const KMSG: DeviceNumber = DeviceNumber::new(1, 11);

static READERS: Once<Arc<WaitQueue>> = Once::new();

/// The queue that is woken, within a tick, after a record has been written.
fn readers() -> &'static Arc<WaitQueue> {
    loop {
        if let Some(readers) = READERS.get() {
            return readers;
        }
        // If another task is faster, its queue counts.
        let _ = READERS.set(Arc::new(WaitQueue::new()));
    }
}

/// Waits until there is a record numbered `next` or later. May sleep.
///
/// # Errors
/// EAGAIN: there is none, and the caller does not wait. ERESTARTSYS.
pub fn wait_for_news(next: u64, nonblocking: bool) -> Result<()> {
    let look = || (klog::next_sequence() > next).then_some(());
    match look() {
        Some(()) => Ok(()),
        None if nonblocking => Err(Errno::EAGAIN),
        None => Ok(readers().wait_map(Sleep::Interruptible, None, look)?),
    }
}

/// Whether there is a record numbered `next` or later, for `poll`.
pub fn poll_for_news(next: u64, table: &mut PollTable<'_>) -> PollEvents {
    table.add(readers());
    if klog::next_sequence() > next { PollEvents::READABLE } else { PollEvents::empty() }
}

/// Adds the device. Once, after `device::init`.
///
/// # Errors
/// EBUSY, EEXIST: called twice. ENOMEM.
pub fn init() -> Result<()> {
    // Made here, where sleeping is allowed: the hook runs in the timer interrupt.
    readers();
    klog::set_wake_hook(|| {
        if let Some(readers) = READERS.get() {
            readers.wake_all();
        }
    });
    char_device::register(KMSG, "mem", device::open)?;
    Builder::new("mem", "kmsg").number(KMSG).mode(0o644).add().map(drop)
}
