//! Devices of major number 10: those of which there is one of a kind, each a minor number.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::char_device::{self, OpenDevice};
use fs::{DeviceNumber, FileOperations, OpenFlags};
use sync::{LockClass, SpinLock};

use crate::builder::{Builder, Device};

/// A leaf lock.
static MISC_LOCK: LockClass = LockClass::new("misc_devices");

/// `MISC_MAJOR`.
pub const MAJOR: u32 = 10;
/// Minor numbers that there are.
const MINORS: u32 = 256;

#[derive(Clone, Copy)]
struct Entry {
    minor: u32,
    name: &'static str,
    open: OpenDevice,
}

/// The newest last.
static ENTRIES: SpinLock<Vec<Entry>> = SpinLock::new(&MISC_LOCK, Vec::new());

pub(crate) fn init() -> Result<()> {
    char_device::register_range(DeviceNumber::new(MAJOR, 0), MINORS, "misc", open)
}

fn open(device: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let found = ENTRIES.lock().iter().find(|entry| entry.minor == device.minor).copied();
    (found.ok_or(Errno::ENODEV)?.open)(device, flags)
}

/// A device of the class `misc`.
pub struct Misc {
    minor: u32,
    device: Device,
}

/// Adds a device with this minor number, whose node has mode 0600. May sleep.
///
/// # Errors
/// EBUSY: the number is taken. As [`Builder::add`].
pub fn register(minor: u32, name: &'static str, open: OpenDevice) -> Result<Misc> {
    {
        let mut entries = ENTRIES.lock();
        if entries.iter().any(|entry| entry.minor == minor) {
            return Err(Errno::EBUSY);
        }
        entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        entries.push(Entry { minor, name, open });
    }
    // Its node opens from the first moment on.
    let added = Builder::new("misc", name).number(DeviceNumber::new(MAJOR, minor)).add();
    match added {
        Ok(device) => Ok(Misc { minor, device }),
        Err(error) => {
            forget(minor);
            Err(error)
        }
    }
}

fn forget(minor: u32) {
    ENTRIES.lock().retain(|entry| entry.minor != minor);
}

impl Misc {
    /// Takes it away: who opens it from now on gets ENODEV. May sleep.
    pub fn remove(self) {
        forget(self.minor);
        self.device.remove();
    }
}

/// Calls `show` with each minor number and name, the newest first, for `/proc/misc`.
pub fn for_each(mut show: impl FnMut(u32, &'static str)) {
    let mut left = ENTRIES.lock().len();
    while left > 0 {
        left -= 1;
        let entry = ENTRIES.lock().get(left).copied();
        if let Some(Entry { minor, name, .. }) = entry {
            show(minor, name);
        }
    }
}
