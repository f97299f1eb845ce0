//! What the command line says of watchdogs.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A setting that is on or off.
pub type Switch = AtomicBool;

/// `softdog.soft_margin`: seconds from the last sign of life to the end.
pub static SOFT_MARGIN: AtomicU32 = AtomicU32::new(crate::softdog::TIMER_MARGIN);
/// `softdog.nowayout`: once started, it is not stopped.
pub static NOWAYOUT: Switch = Switch::new(false);
/// `softdog.soft_noboot`: the end is a line in the log, and no more.
pub static SOFT_NOBOOT: Switch = Switch::new(false);
/// `softdog.soft_panic`: the end is a panic, not a reset.
pub static SOFT_PANIC: Switch = Switch::new(false);
/// `softdog.soft_active_on_boot`: it counts before a program has opened it.
pub static SOFT_ACTIVE_ON_BOOT: Switch = Switch::new(false);
/// `watchdog.handle_boot_enabled`: the kernel keeps one quiet that counts before a program has opened it.
pub static HANDLE_BOOT_ENABLED: Switch = Switch::new(true);
/// `watchdog.open_timeout`: for so many seconds; 0: for ever.
pub static OPEN_TIMEOUT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn is_on(switch: &Switch) -> bool {
    switch.load(Ordering::Relaxed)
}
