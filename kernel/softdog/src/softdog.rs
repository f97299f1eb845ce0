//! The software watchdog: a timer that nobody but its master moves on, and whose end is the machine's.

use alloc::sync::Arc;

use errno::Result;
use time::HrTimer;

use crate::driver::{Driver, Info, KEEPALIVEPING, MAGICCLOSE, SETTIMEOUT};
use crate::parameters::{self, is_on};

/// Seconds, if nobody says otherwise.
pub(crate) const TIMER_MARGIN: u32 = 60;

/// The software watchdog. There is one.
pub(crate) struct SoftDog {
    timer: HrTimer,
}

impl SoftDog {
    /// One that does not count.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { timer: HrTimer::new(expired) })
    }
}

/// In the timer interrupt: nobody has given a sign of life.
fn expired() {
    if is_on(&parameters::SOFT_NOBOOT) {
        log::error!("softdog: Triggered - Reboot ignored");
    } else if is_on(&parameters::SOFT_PANIC) {
        log::error!("softdog: Initiating panic");
        kthread::oops::panic(format_args!("Software Watchdog Timer expired"));
    } else {
        log::error!("softdog: Initiating system reboot");
        emergency_restart();
    }
}

/// The machine begins anew, at once and whatever else goes on. Any context.
fn emergency_restart() -> ! {
    // Others may hold the console's lock, and not go on.
    klog::begin_crash();
    log::info!("reboot: machine restart");
    machine::power::reset()
}

impl Driver for SoftDog {
    fn info(&self) -> Info {
        Info { options: SETTIMEOUT | KEEPALIVEPING | MAGICCLOSE, identity: "Software Watchdog" }
    }

    fn start(&self, seconds: u32) -> Result<()> {
        self.timer.start(time::monotonic() + u64::from(seconds) * time::SECOND);
        Ok(())
    }

    /// When this returns, its time will not be up any more.
    fn stop(&self) -> Result<()> {
        self.timer.cancel_sync();
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.timer.is_pending()
    }
}
