//! Character devices: which driver opens which number.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::flags::OpenFlags;
use crate::operations::FileOperations;
use crate::stat::DeviceNumber;

/// A leaf lock.
static DEVICES_LOCK: LockClass = LockClass::new("char_devices");

/// Opens a device. May sleep.
pub type OpenDevice = fn(DeviceNumber, OpenFlags) -> Result<Arc<dyn FileOperations>>;

#[derive(Clone, Copy)]
struct Driver {
    name: &'static str,
    open: OpenDevice,
}

static DEVICES: SpinLock<BTreeMap<DeviceNumber, Driver>> =
    SpinLock::new(&DEVICES_LOCK, BTreeMap::new());

/// Says who opens a device number. `name` is shown in `/proc/devices`.
///
/// # Errors
/// EBUSY: the number is taken.
pub fn register(device: DeviceNumber, name: &'static str, open: OpenDevice) -> Result<()> {
    let mut devices = DEVICES.lock();
    if devices.contains_key(&device) {
        return Err(Errno::EBUSY);
    }
    devices.insert(device, Driver { name, open });
    Ok(())
}

/// Opens a device.
///
/// # Errors
/// ENXIO: nobody has this number. As the driver says.
pub fn open(device: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let driver = DEVICES.lock().get(&device).copied().ok_or(Errno::ENXIO)?;
    (driver.open)(device, flags)
}

/// Calls `show` with each major number and its driver's name, in order, for `/proc/devices`.
pub fn for_each_major(mut show: impl FnMut(u32, &'static str)) {
    let mut next = DeviceNumber::new(0, 0);
    loop {
        let found = {
            let devices = DEVICES.lock();
            devices.range(next..).next().map(|(device, driver)| (device.major, driver.name))
        };
        let Some((major, name)) = found else { return };
        show(major, name);
        next = DeviceNumber::new(major + 1, 0);
    }
}
