//! The `ioctl` commands of watchdogs.

use errno::{Errno, Result};

use crate::watchdog::Watchdog;

const WDIOC_GETSUPPORT: u32 = 0x8028_5700;
const WDIOC_GETSTATUS: u32 = 0x8004_5701;
const WDIOC_GETBOOTSTATUS: u32 = 0x8004_5702;
const WDIOC_SETOPTIONS: u32 = 0x8004_5704;
const WDIOC_KEEPALIVE: u32 = 0x8004_5705;
const WDIOC_SETTIMEOUT: u32 = 0xc004_5706;
const WDIOC_GETTIMEOUT: u32 = 0x8004_5707;
const WDIOC_SETPRETIMEOUT: u32 = 0xc004_5708;
const WDIOC_GETPRETIMEOUT: u32 = 0x8004_5709;
const WDIOC_GETTIMELEFT: u32 = 0x8004_570a;

/// `WDIOS_DISABLECARD` and `WDIOS_ENABLECARD`.
const DISABLE: u32 = 1;
const ENABLE: u32 = 2;

/// Bytes of `struct watchdog_info`: options, firmware's version, identity.
const INFO: usize = 40;

/// Carries a command out.
///
/// # Errors
/// ENOTTY: no such command (WDIOC_GETTEMP is none: there is no thermometer). EOPNOTSUPP: nobody knows how much time is left.
/// EINVAL: a time-out out of range. EBUSY: there is no way out. ENODEV: the driver has left. EFAULT.
pub(crate) fn ioctl(watchdog: &Watchdog, command: u32, argument: usize) -> Result<usize> {
    // Before anything else, as one that has gone has no commands.
    let seen = watchdog.look()?;
    match command {
        WDIOC_GETSUPPORT => put(argument, &info(watchdog))?,
        WDIOC_GETSTATUS => put_number(argument, watchdog.take_status()?)?,
        // What has reset the machine is not known.
        WDIOC_GETBOOTSTATUS => put_number(argument, 0)?,
        WDIOC_SETOPTIONS => set_options(watchdog, get_number(argument)?)?,
        WDIOC_KEEPALIVE => watchdog.keep_alive()?,
        WDIOC_SETTIMEOUT => {
            let set = watchdog.set_timeout(get_number(argument)?)?;
            put_number(argument, set)?;
        }
        WDIOC_GETTIMEOUT => put_number(argument, seen.timeout)?,
        WDIOC_SETPRETIMEOUT => watchdog.set_pretimeout(get_number(argument)?)?,
        WDIOC_GETPRETIMEOUT => put_number(argument, seen.pretimeout)?,
        WDIOC_GETTIMELEFT => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// Both may be asked for: off and on again.
fn set_options(watchdog: &Watchdog, options: u32) -> Result<()> {
    if options & (DISABLE | ENABLE) == 0 {
        return Err(Errno::ENOTTY);
    }
    if options & DISABLE != 0 {
        watchdog.set_running(false)?;
    }
    if options & ENABLE != 0 {
        watchdog.set_running(true)?;
    }
    Ok(())
}

fn info(watchdog: &Watchdog) -> [u8; INFO] {
    let info = watchdog.info();
    let mut bytes = [0; INFO];
    bytes[..4].copy_from_slice(&info.options.to_ne_bytes());
    // The version of firmware that is not there is 0.
    bytes[8..8 + info.identity.len()].copy_from_slice(info.identity.as_bytes());
    bytes
}

fn put(address: usize, bytes: &[u8]) -> Result<()> {
    machine::user::copy_to(address, bytes).map_err(|_| Errno::EFAULT)
}

fn put_number(address: usize, number: u32) -> Result<()> {
    put(address, &number.to_ne_bytes())
}

fn get_number(address: usize) -> Result<u32> {
    let mut bytes = [0; 4];
    machine::user::copy_from(address, &mut bytes).map_err(|_| Errno::EFAULT)?;
    Ok(u32::from_ne_bytes(bytes))
}
