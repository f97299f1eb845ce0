//! Which watchdog has which number, and what the system sees of them.

use alloc::format;
use alloc::sync::Arc;

use device::misc::{self, Misc};
use device::{Builder, Device};
use errno::{Errno, Result};
use fs::{DeviceNumber, char_device};
use sync::{LockClass, Once, SpinLock};

use crate::attributes;
use crate::driver::Driver;
use crate::file;
use crate::keeper::Keeper;
use crate::parameters::{self, is_on};
use crate::watchdog::{Settings, Watchdog};

/// A leaf lock.
static DOGS_LOCK: LockClass = LockClass::new("watchdogs");

/// The most there may be.
const MAX_DOGS: usize = 32;
/// `WATCHDOG_MINOR`, of `/dev/watchdog`, which is the first of all.
const MINOR: u32 = 130;

static DOGS: SpinLock<[Option<Arc<Watchdog>>; MAX_DOGS]> =
    SpinLock::new(&DOGS_LOCK, [const { None }; MAX_DOGS]);

/// Takes a major number for them, the first time.
///
/// # Errors
/// EBUSY: there is none.
fn major() -> Result<u32> {
    static MAJOR: Once<u32> = Once::new();
    if let Some(major) = MAJOR.get() {
        return Ok(*major);
    }
    let major = char_device::register_major(MAX_DOGS as u32, "watchdog", file::open)?;
    // One driver comes at a time.
    let _ = MAJOR.set(major);
    Ok(major)
}

/// The watchdog that a number opens.
pub(crate) fn find(device: DeviceNumber) -> Option<Arc<Watchdog>> {
    let id = if device == DeviceNumber::new(misc::MAJOR, MINOR) { 0 } else { device.minor };
    DOGS.lock().get(id as usize)?.clone()
}

/// A watchdog that is there.
pub(crate) struct Registered {
    watchdog: Arc<Watchdog>,
    keeper: Option<Keeper>,
    device: Device,
    misc: Option<Misc>,
}

/// Adds a watchdog for a driver. May sleep; one at a time.
///
/// # Errors
/// EBUSY: there are too many, or no number is left. As [`Builder::add`], and making a kernel thread.
pub(crate) fn register(driver: Arc<dyn Driver>, settings: Settings) -> Result<Registered> {
    let major = major()?;
    let id = DOGS.lock().iter().position(Option::is_none).ok_or(Errno::EBUSY)?;
    let watchdog = Watchdog::new(id as u32, driver, settings);
    let keeper = keep(&watchdog)?;
    // Its nodes open it from the first moment on.
    DOGS.lock()[id] = Some(watchdog.clone());
    let added = add_devices(&watchdog, DeviceNumber::new(major, id as u32));
    match added {
        Ok((misc, device)) => Ok(Registered { watchdog, keeper, device, misc }),
        Err(error) => {
            forget(&watchdog, keeper);
            Err(error)
        }
    }
}

/// Has one that counts already kept quiet.
fn keep(watchdog: &Arc<Watchdog>) -> Result<Option<Keeper>> {
    if !watchdog.runs_by_itself() {
        return Ok(None);
    }
    if !is_on(&parameters::HANDLE_BOOT_ENABLED) {
        log::info!(
            "watchdog: watchdog{} running and kernel based pre-userspace handler disabled",
            watchdog.id()
        );
        return Ok(None);
    }
    Keeper::begin(watchdog).map(Some)
}

fn add_devices(watchdog: &Arc<Watchdog>, number: DeviceNumber) -> Result<(Option<Misc>, Device)> {
    let misc = match watchdog.id() {
        0 => Some(misc::register(MINOR, "watchdog", file::open)?),
        _ => None,
    };
    let builder = Builder::new("watchdog", format!("watchdog{}", watchdog.id())).number(number);
    match attributes::add(builder, watchdog).add() {
        Ok(device) => Ok((misc, device)),
        Err(error) => {
            misc.into_iter().for_each(Misc::remove);
            Err(error)
        }
    }
}

fn forget(watchdog: &Watchdog, keeper: Option<Keeper>) {
    let old = DOGS.lock()[watchdog.id() as usize].take();
    drop(old);
    watchdog.leave();
    keeper.into_iter().for_each(Keeper::end);
}

impl Registered {
    /// Takes it away. A file that is open stays, and finds nothing behind it. May sleep.
    pub(crate) fn unregister(self) {
        self.device.remove();
        self.misc.into_iter().for_each(Misc::remove);
        forget(&self.watchdog, self.keeper);
    }
}
