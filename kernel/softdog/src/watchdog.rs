//! The watchdog core: what is between programs and a driver.
//!
//! ```text
//!                     open, WDIOS_ENABLECARD
//!   Stopped ───────────────────────────────────────> Active
//!      │   <────────────────────────────────────────   │  │ close without the magic character, or no way out:
//!      │        close after it, WDIOS_DISABLECARD      │  └ stays active, with nobody to keep it quiet
//!      │ soft_active_on_boot, or it was left           │
//!      └──────────────────> Running ──── open ─────────┘
//!                the kernel keeps it quiet
//! ```

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinGuard, SpinLock};
use time::HrTimer;

use crate::driver::{self, Driver, Info};
use crate::governor::Governor;
use crate::parameters;

/// Held while its driver is told something. Timers' locks are taken inside; no timer takes it.
static STATE_LOCK: LockClass = LockClass::new("watchdog_device");

/// Seconds.
pub(crate) const MIN_TIMEOUT: u32 = 1;
/// Seconds.
pub(crate) const MAX_TIMEOUT: u32 = 65535;

/// Who sees to it that the machine is not reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Nobody needs to: it does not count.
    Stopped,
    /// It counts, and no program has come yet: the kernel does, if it is to.
    Running,
    /// A program does.
    Active,
}

/// Whether it has a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// The driver has left; whoever has it open still finds nothing behind it.
    Gone,
}

struct State {
    presence: Presence,
    run: Run,
    /// Seconds.
    timeout: u32,
    /// Seconds before the end; 0: no warning.
    pretimeout: u32,
    /// The magic character came with the last write.
    may_release: bool,
    /// It was told to wait since somebody asked for its status.
    kept_alive: bool,
    nowayout: bool,
    /// Until when the kernel keeps it quiet, on the monotonic clock; none: for ever.
    open_deadline: Option<u64>,
}

/// What `/sys` and WDIOC_GET… tell.
pub(crate) struct Snapshot {
    pub(crate) active: bool,
    pub(crate) timeout: u32,
    pub(crate) pretimeout: u32,
    pub(crate) nowayout: bool,
}

/// A watchdog.
pub(crate) struct Watchdog {
    id: u32,
    driver: Arc<dyn Driver>,
    /// A program has it open.
    open: AtomicBool,
    state: SpinLock<State>,
    /// Expires when the warning is due.
    warning: HrTimer,
    governor: Arc<AtomicU8>,
}

/// The state of a watchdog that has a driver.
type Live<'a> = SpinGuard<'a, State>;

impl Watchdog {
    /// A watchdog with a driver. If that counts already, somebody has to keep it quiet.
    pub(crate) fn new(id: u32, driver: Arc<dyn Driver>, settings: Settings) -> Arc<Self> {
        let running = driver.is_running();
        let open_timeout = parameters::OPEN_TIMEOUT.load(Ordering::Relaxed);
        let deadline = || time::monotonic() + u64::from(open_timeout) * time::SECOND;
        let state = State {
            presence: Presence::Here,
            run: if running { Run::Running } else { Run::Stopped },
            timeout: settings.timeout,
            pretimeout: 0,
            may_release: false,
            kept_alive: false,
            nowayout: settings.nowayout,
            open_deadline: (open_timeout != 0).then(deadline),
        };
        let governor = Arc::new(AtomicU8::new(Governor::Noop as u8));
        let theirs = governor.clone();
        let warn = move || Governor::from_stored(theirs.load(Ordering::Relaxed)).act(id);
        Arc::new(Self {
            id,
            driver,
            open: AtomicBool::new(false),
            state: SpinLock::new(&STATE_LOCK, state),
            warning: HrTimer::new(warn),
            governor,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Whether it counts, and no program has come yet.
    pub(crate) fn runs_by_itself(&self) -> bool {
        self.state.lock().run == Run::Running
    }

    pub(crate) fn info(&self) -> Info {
        self.driver.info()
    }

    /// Its state, as long as it has a driver.
    fn live(&self) -> Result<Live<'_>> {
        let state = self.state.lock();
        match state.presence {
            Presence::Here => Ok(state),
            Presence::Gone => Err(Errno::ENODEV),
        }
    }

    /// Takes it for a program, and starts it.
    ///
    /// # Errors
    /// EBUSY: another has it. ENODEV: it is gone. The driver's.
    pub(crate) fn open(&self) -> Result<()> {
        if self.open.swap(true, Ordering::Acquire) {
            return Err(Errno::EBUSY);
        }
        let started = self.live().and_then(|mut state| {
            self.start(&mut state)?;
            // The deadline is for the first one who opens it.
            state.open_deadline = None;
            Ok(())
        });
        if started.is_err() {
            self.open.store(false, Ordering::Release);
        }
        started
    }

    /// The program has closed it.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if state.presence == Presence::Here && state.run == Run::Active {
            let magic = core::mem::take(&mut state.may_release);
            let stopped = if magic { self.stop(&mut state) } else { Err(Errno::EBUSY) };
            if stopped.is_err() {
                log::error!("watchdog: watchdog{}: watchdog did not stop!", self.id);
                // From here on nobody is left to.
                let _ = self.ping(&mut state);
            }
        }
        // With the lock held: who opens it next finds it as it was left.
        self.open.store(false, Ordering::Release);
    }

    /// A write: a sign of life. `magic`: with the character that allows it to be stopped at the close that follows.
    ///
    /// # Errors
    /// ENODEV. The driver's.
    pub(crate) fn write(&self, magic: bool) -> Result<()> {
        let mut state = self.live()?;
        state.may_release = magic;
        self.ping(&mut state)
    }

    /// A sign of life.
    ///
    /// # Errors
    /// ENODEV. The driver's.
    pub(crate) fn keep_alive(&self) -> Result<()> {
        self.ping(&mut *self.live()?)
    }

    /// What WDIOC_SETOPTIONS does.
    ///
    /// # Errors
    /// EBUSY: there is no way out. ENODEV. The driver's.
    pub(crate) fn set_running(&self, runs: bool) -> Result<()> {
        let mut state = self.live()?;
        if runs { self.start(&mut state) } else { self.stop(&mut state) }
    }

    fn start(&self, state: &mut State) -> Result<()> {
        if state.run == Run::Active {
            return Ok(());
        }
        state.kept_alive = true;
        self.driver.start(state.timeout)?;
        state.run = Run::Active;
        self.set_warning(state);
        Ok(())
    }

    fn stop(&self, state: &mut State) -> Result<()> {
        if state.run != Run::Active {
            return Ok(());
        }
        if state.nowayout {
            log::info!("watchdog: watchdog{}: nowayout prevents watchdog being stopped!", self.id);
            return Err(Errno::EBUSY);
        }
        self.driver.stop()?;
        state.run = Run::Stopped;
        self.warning.cancel();
        Ok(())
    }

    fn ping(&self, state: &mut State) -> Result<()> {
        if state.run != Run::Active {
            return Ok(());
        }
        state.kept_alive = true;
        self.driver.start(state.timeout)?;
        self.set_warning(state);
        Ok(())
    }

    fn set_warning(&self, state: &State) {
        match state.pretimeout {
            0 => _ = self.warning.cancel(),
            before => {
                let seconds = u64::from(state.timeout - before);
                self.warning.start(time::monotonic() + seconds * time::SECOND);
            }
        }
    }

    /// Sets the time-out in seconds, which counts from now on. One that leaves no room for the warning ends that.
    ///
    /// # Errors
    /// EINVAL: out of range. ENODEV. The driver's.
    pub(crate) fn set_timeout(&self, seconds: u32) -> Result<u32> {
        let mut state = self.live()?;
        if !is_timeout(seconds) {
            return Err(Errno::EINVAL);
        }
        state.timeout = seconds;
        if state.pretimeout >= seconds {
            state.pretimeout = 0;
        }
        self.ping(&mut state)?;
        Ok(state.timeout)
    }

    /// Sets how many seconds before the end the warning comes, from the next sign of life on; 0: no warning.
    ///
    /// # Errors
    /// EINVAL: not before the end. ENODEV.
    pub(crate) fn set_pretimeout(&self, seconds: u32) -> Result<()> {
        let mut state = self.live()?;
        if seconds != 0 && seconds >= state.timeout {
            return Err(Errno::EINVAL);
        }
        state.pretimeout = seconds;
        Ok(())
    }

    /// Makes that there is no way out any more, or leaves it so.
    ///
    /// # Errors
    /// EPERM: there was none, and it stays so. ENODEV.
    pub(crate) fn set_nowayout(&self, on: bool) -> Result<()> {
        let mut state = self.live()?;
        if state.nowayout && !on {
            return Err(Errno::EPERM);
        }
        state.nowayout = on;
        Ok(())
    }

    /// What is to be seen of it.
    ///
    /// # Errors
    /// ENODEV.
    pub(crate) fn look(&self) -> Result<Snapshot> {
        let state = self.live()?;
        Ok(Snapshot {
            active: state.run == Run::Active,
            timeout: state.timeout,
            pretimeout: state.pretimeout,
            nowayout: state.nowayout,
        })
    }

    /// `WDIOF_*` as they are now. That it was kept alive is told once.
    ///
    /// # Errors
    /// ENODEV.
    pub(crate) fn take_status(&self) -> Result<u32> {
        let mut state = self.live()?;
        let mut status = driver::PRETIMEOUT;
        if state.may_release {
            status |= driver::MAGICCLOSE;
        }
        if core::mem::take(&mut state.kept_alive) {
            status |= driver::KEEPALIVEPING;
        }
        Ok(status)
    }

    pub(crate) fn governor(&self) -> Governor {
        Governor::from_stored(self.governor.load(Ordering::Relaxed))
    }

    pub(crate) fn set_governor(&self, governor: Governor) {
        self.governor.store(governor as u8, Ordering::Relaxed);
    }

    /// What the keeper does: keeps it quiet if that is the kernel's affair now. Returns after how many nanoseconds to do it
    /// again, if at all.
    pub(crate) fn keep_quiet(&self) -> Option<u64> {
        let mut state = self.live().ok()?;
        let now = time::monotonic();
        let is_late = state.open_deadline.is_some_and(|deadline| now >= deadline);
        if state.run != Run::Running || is_late {
            return None;
        }
        state.kept_alive = true;
        // It is tried again as if it had gone well: that is soon enough.
        let _ = self.driver.start(state.timeout);
        let whole = u64::from(state.timeout) * time::SECOND;
        match state.open_deadline {
            None => Some(whole / 2),
            // So that it ends when the deadline comes, the last time is as long before.
            Some(deadline) => {
                let left = deadline.checked_sub(whole)?.checked_sub(now)?;
                (left > 0).then_some(left.min(whole / 2))
            }
        }
    }

    /// The driver leaves: who has it open gets ENODEV from now on. What counts goes on to count, as hardware would; the
    /// warning does not come any more.
    pub(crate) fn leave(&self) {
        self.state.lock().presence = Presence::Gone;
        self.warning.cancel_sync();
    }
}

/// What a watchdog begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Seconds.
    pub(crate) timeout: u32,
    pub(crate) nowayout: bool,
}

/// Whether it can be set to so many seconds.
pub(crate) fn is_timeout(seconds: u32) -> bool {
    (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&seconds)
}
