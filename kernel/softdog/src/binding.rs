//! How the software watchdog comes and goes: at start-up, and by `/sys/bus/platform/drivers/softdog/{bind,unbind}`.

use alloc::sync::Arc;
use core::fmt::Write;
use core::sync::atomic::Ordering;

use errno::{Errno, Result};
use kernfs::Attribute;
use sched::Mutex;
use sync::{LockClass, Once};

use crate::driver::Driver;
use crate::parameters::{self, is_on};
use crate::registry::{self, Registered};
use crate::softdog::{SoftDog, TIMER_MARGIN};
use crate::watchdog::{self, Settings};

/// Held while it comes or goes; devices' locks are taken inside.
static BINDING_LOCK: LockClass = LockClass::new("softdog");
static BINDING: Mutex<Option<Registered>> = Mutex::new(&BINDING_LOCK, None);

/// The device's name on its bus.
const NAME: &[u8] = b"softdog";

/// The timer, which outlives its driver's leave if it counts then.
static DOG: Once<Arc<SoftDog>> = Once::new();

/// Adds the software watchdog, and the files by which it goes and comes back. Once, after `device::init`. May sleep.
///
/// # Errors
/// EBUSY, EEXIST: called twice. ENOMEM; as making a kernel thread.
pub fn init() -> Result<()> {
    DOG.set(SoftDog::new()).map_err(|_| Errno::EBUSY)?;
    if is_on(&parameters::SOFT_ACTIVE_ON_BOOT) {
        dog()?.start(settings().timeout)?;
    }
    bind()?;
    register_files()?;
    let on = |switch| u8::from(is_on(switch));
    log::info!(
        "softdog: initialized. soft_noboot={} soft_margin={} sec soft_panic={} (nowayout={})",
        on(&parameters::SOFT_NOBOOT),
        parameters::SOFT_MARGIN.load(Ordering::Relaxed),
        on(&parameters::SOFT_PANIC),
        on(&parameters::NOWAYOUT)
    );
    Ok(())
}

fn dog() -> Result<&'static Arc<SoftDog>> {
    DOG.get().ok_or(Errno::ENODEV)
}

/// What the command line asks for, as far as it can be had.
fn settings() -> Settings {
    let asked = parameters::SOFT_MARGIN.load(Ordering::Relaxed);
    let timeout = if watchdog::is_timeout(asked) {
        asked
    } else {
        log::error!("watchdog: Software Watchdog: driver supplied timeout ({asked}) out of range");
        log::warn!("watchdog: Software Watchdog: falling back to default timeout ({TIMER_MARGIN})");
        TIMER_MARGIN
    };
    Settings { timeout, nowayout: is_on(&parameters::NOWAYOUT) }
}

/// The driver takes the device. One that counts, since nobody stopped it, is kept quiet from now on.
fn bind() -> Result<()> {
    let mut bound = BINDING.lock();
    if bound.is_some() {
        return Err(Errno::EBUSY);
    }
    *bound = Some(registry::register(dog()?.clone(), settings())?);
    Ok(())
}

fn unbind() -> Result<()> {
    let mut bound = BINDING.lock();
    bound.take().ok_or(Errno::ENODEV)?.unregister();
    Ok(())
}

fn register_files() -> Result<()> {
    let device = "devices/platform/softdog";
    sysfs::root().subdirectory(device)?;
    let bus = sysfs::root().subdirectory("bus/platform")?;
    bus.subdirectory("devices")?.add_symlink("softdog", "../../../devices/platform/softdog")?;
    let driver = bus.subdirectory("drivers/softdog")?;
    driver.add_file("bind", Attribute::new().store(|bytes| named(bytes).and_then(|()| bind())))?;
    driver
        .add_file("unbind", Attribute::new().store(|bytes| named(bytes).and_then(|()| unbind())))?;
    let parameters = sysfs::root().subdirectory("module/watchdog/parameters")?;
    let handled = Attribute::shown(|text| {
        text.push(if is_on(&parameters::HANDLE_BOOT_ENABLED) { b"Y\n" } else { b"N\n" })
    });
    parameters.add_file("handle_boot_enabled", handled)?;
    let open_timeout = Attribute::shown(|text| {
        Ok(writeln!(text, "{}", parameters::OPEN_TIMEOUT.load(Ordering::Relaxed))?)
    });
    parameters.add_file("open_timeout", open_timeout)
}

/// The bus has one device for this driver.
fn named(bytes: &[u8]) -> Result<()> {
    let name = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if name == NAME { Ok(()) } else { Err(Errno::ENODEV) }
}
