//! Character devices: which driver opens which numbers.

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

/// The major numbers that are given to who asks for any, from the first to the last.
const DYNAMIC: [core::ops::RangeInclusive<u32>; 2] = [234..=254, 384..=511];

#[derive(Clone, Copy)]
struct Driver {
    /// How many minor numbers from the first on.
    count: u32,
    name: &'static str,
    open: OpenDevice,
}

type Devices = BTreeMap<DeviceNumber, Driver>;

/// By the first number of each range; no two ranges share one.
static DEVICES: SpinLock<Devices> = SpinLock::new(&DEVICES_LOCK, BTreeMap::new());

/// Says who opens a device number. `name` is shown in `/proc/devices`.
///
/// # Errors
/// EBUSY: the number is taken.
pub fn register(device: DeviceNumber, name: &'static str, open: OpenDevice) -> Result<()> {
    register_range(device, 1, name, open)
}

/// Says who opens so many device numbers from the first on, all of one major number.
///
/// # Errors
/// EBUSY: one of them is taken.
pub fn register_range(
    first: DeviceNumber,
    count: u32,
    name: &'static str,
    open: OpenDevice,
) -> Result<()> {
    insert(&mut DEVICES.lock(), first, Driver { count, name, open })
}

/// As [`register_range`], from minor number 0 on, of a major number that nobody has; returns that.
///
/// # Errors
/// EBUSY: there is none left.
pub fn register_major(count: u32, name: &'static str, open: OpenDevice) -> Result<u32> {
    let mut devices = DEVICES.lock();
    let is_free = |&major: &u32| {
        let from = DeviceNumber::new(major, 0)..DeviceNumber::new(major + 1, 0);
        devices.range(from).next().is_none()
    };
    let mut all = DYNAMIC.into_iter().flat_map(Iterator::rev);
    let major = all.find(is_free).ok_or(Errno::EBUSY)?;
    insert(&mut devices, DeviceNumber::new(major, 0), Driver { count, name, open })?;
    Ok(major)
}

/// Takes back what was registered from this number on. Who opens one of them from now on gets ENXIO;
/// an open that has begun goes on.
pub fn unregister(first: DeviceNumber) {
    DEVICES.lock().remove(&first);
}

fn insert(devices: &mut Devices, first: DeviceNumber, driver: Driver) -> Result<()> {
    let last = DeviceNumber::new(first.major, first.minor + (driver.count - 1));
    if driver_of(devices, first).is_some() || devices.range(first..=last).next().is_some() {
        return Err(Errno::EBUSY);
    }
    devices.insert(first, driver);
    Ok(())
}

fn driver_of(devices: &Devices, device: DeviceNumber) -> Option<Driver> {
    let (first, driver) = devices.range(..=device).next_back()?;
    let covers = first.major == device.major && device.minor - first.minor < driver.count;
    covers.then_some(*driver)
}

/// Opens a device.
///
/// # Errors
/// ENXIO: nobody has this number. As the driver says.
pub fn open(device: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let driver = driver_of(&DEVICES.lock(), device).ok_or(Errno::ENXIO)?;
    (driver.open)(device, flags)
}

/// Calls `show` with each major number and the name of a driver that it has, in order and each once,
/// for `/proc/devices`.
pub fn for_each_driver(mut show: impl FnMut(u32, &'static str)) {
    let mut next = DeviceNumber::new(0, 0);
    let mut shown = None;
    loop {
        let found = {
            let devices = DEVICES.lock();
            devices.range(next..).next().map(|(device, driver)| (*device, driver.name))
        };
        let Some((device, name)) = found else { return };
        if shown.replace((device.major, name)) != Some((device.major, name)) {
            show(device.major, name);
        }
        next = DeviceNumber::new(device.major, device.minor + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(_: DeviceNumber, _: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Err(Errno::EIO)
    }

    #[test]
    fn d3_ranges_do_not_meet() {
        let number = DeviceNumber::new;
        assert_eq!(register_range(number(200, 10), 10, "a", refuse), Ok(()));
        for (first, count) in [(0, 11), (10, 1), (19, 5), (5, 100), (15, 1)] {
            let taken = register_range(number(200, first), count, "b", refuse);
            assert_eq!(taken, Err(Errno::EBUSY), "{count} from {first} on");
        }
        assert_eq!(register_range(number(200, 0), 10, "b", refuse), Ok(()));
        assert_eq!(register(number(200, 20), "b", refuse), Ok(()));
        assert_eq!(register(number(201, 12), "c", refuse), Ok(()));
        let opened = |minor| open(number(200, minor), OpenFlags::empty()).err();
        assert_eq!([opened(19), opened(21)], [Some(Errno::EIO), Some(Errno::ENXIO)]);
        let mut shown = Vec::new();
        for_each_driver(|major, name| shown.push((major, name)));
        assert_eq!(shown, [(200, "b"), (200, "a"), (200, "b"), (201, "c")]);
        unregister(number(200, 10));
        assert_eq!([opened(9), opened(10)], [Some(Errno::EIO), Some(Errno::ENXIO)]);
        assert_eq!(register_major(1, "d", refuse), Ok(254));
        assert_eq!(register(number(253, 7), "e", refuse), Ok(()));
        assert_eq!(register_major(1, "f", refuse), Ok(252));
    }
}
