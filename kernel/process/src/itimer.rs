//! The interval timers: a signal after a time, once or again and again.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};

use errno::Errno;
use sync::{LockClass, Once, SpinLock};
use time::Moment;

use crate::clock_timer::{ClockTimer, TimeBase};
use crate::cpu_timer::CpuClock;
use crate::process::Process;
use crate::signal::{self, SigInfo, Signal};

/// Taken by the timer's function, in an interrupt; takes nothing.
static SETTING_LOCK: LockClass = LockClass::new("process.itimer");

/// Which of a process's three timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalTimer {
    /// `ITIMER_REAL`: time that passes, and SIGALRM.
    Real = 0,
    /// `ITIMER_VIRTUAL`: the process's time in user mode, and SIGVTALRM.
    Virtual = 1,
    /// `ITIMER_PROF`: the process's CPU time, and SIGPROF.
    Prof = 2,
}

impl IntervalTimer {
    /// From its number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Real, Self::Virtual, Self::Prof].get(number as usize).copied()
    }

    fn signal(self) -> Signal {
        match self {
            Self::Real => Signal::SIGALRM,
            Self::Virtual => Signal::SIGVTALRM,
            Self::Prof => Signal::SIGPROF,
        }
    }

    /// How finely its time is looked at, in nanoseconds; 0: as finely as it is counted.
    fn grain(self) -> u64 {
        match self {
            Self::Real => 0,
            Self::Virtual | Self::Prof => time::JIFFY,
        }
    }

    fn base(self, process: &Arc<Process>) -> TimeBase {
        let process = Arc::downgrade(process);
        match self {
            Self::Real => TimeBase::Monotonic,
            Self::Virtual => TimeBase::Cpu(CpuClock::ProcessUser(process)),
            Self::Prof => TimeBase::Cpu(CpuClock::Process(process)),
        }
    }
}

/// What a timer is set to; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerSetting {
    /// Until it next expires; 0: it is off.
    pub value: u64,
    /// From one expiry to the next; 0: it expires once.
    pub interval: u64,
}

#[derive(Clone, Copy, Default)]
struct Armed {
    /// On the timer's clock; 0: off.
    deadline: u64,
    interval: u64,
}

struct Made {
    timer: ClockTimer,
    armed: SpinLock<Armed>,
}

impl Made {
    fn new(which: IntervalTimer, process: &Arc<Process>) -> Result<Self, Errno> {
        let owner = Arc::downgrade(process);
        let timer = ClockTimer::new(which.base(process), move || expire(which, &owner))?;
        Ok(Self { timer, armed: SpinLock::new(&SETTING_LOCK, Armed::default()) })
    }

    /// From now on this is what it is set to.
    fn set(&self, armed: Armed) {
        *self.armed.lock_irq() = armed;
        self.follow();
    }

    /// The timer waits for what is set.
    fn follow(&self) {
        self.timer.follow(|| match self.armed.lock_irq().deadline {
            0 => None,
            deadline => Some(Moment::Elapsed(deadline)),
        });
    }
}

/// A process's interval timers; they cost next to nothing until they are first set.
pub(crate) struct IntervalTimers {
    made: [Once<Box<Made>>; 3],
}

impl IntervalTimers {
    pub(crate) const fn new() -> Self {
        Self { made: [const { Once::new() }; 3] }
    }

    /// Turns them off for good.
    pub(crate) fn stop(&self) {
        self.made.iter().filter_map(Once::get).for_each(|made| made.set(Armed::default()));
    }

    fn get(&self, which: IntervalTimer) -> TimerSetting {
        let Some(made) = self.made[which as usize].get() else { return TimerSetting::default() };
        let armed = *made.armed.lock_irq();
        let value = match armed.deadline {
            0 => 0,
            // One that is about to expire is still on, as a program sees it, which sees microseconds; one on CPU time will be at the next tick.
            deadline => match deadline.saturating_sub(made.timer.now().unwrap_or(0)) {
                0 => which.grain().max(time::MICROSECOND),
                left => left,
            },
        };
        TimerSetting { value, interval: armed.interval }
    }

    fn set(
        &self,
        which: IntervalTimer,
        process: &Arc<Process>,
        setting: TimerSetting,
    ) -> Result<(), Errno> {
        let place = &self.made[which as usize];
        if place.get().is_none() && setting.value != 0 {
            // Another thread may be first; its timer serves as well.
            let _ = place.set(Box::new(Made::new(which, process)?));
        }
        let Some(made) = place.get() else { return Ok(()) };
        if setting.value == 0 {
            made.set(Armed::default());
            return Ok(());
        }
        let now = made.timer.now().ok_or(Errno::ESRCH)?;
        // CPU time is looked at in ticks, and the one that goes on counts for none.
        let deadline = now.saturating_add(setting.value).saturating_add(which.grain());
        made.set(Armed { deadline, interval: setting.interval });
        Ok(())
    }
}

/// In the timer's interrupt.
fn expire(which: IntervalTimer, process: &Weak<Process>) {
    let Some(process) = process.upgrade() else { return };
    let Some(made) = process.interval_timers.made[which as usize].get() else { return };
    let Some(now) = made.timer.now() else { return };
    let has_expired = {
        let mut armed = made.armed.lock_irq();
        // If not, it was turned off, or set anew, while this interrupt was on its way.
        let has_expired = armed.deadline != 0 && now >= armed.deadline;
        if has_expired {
            // In step with the first time; what has been missed is missed.
            let missed = (now - armed.deadline).checked_div(armed.interval);
            armed.deadline = missed.map_or(0, |missed| {
                armed.deadline.saturating_add((missed + 1).saturating_mul(armed.interval))
            });
        }
        has_expired
    };
    if has_expired {
        // The process may have ended just now.
        let _ = signal::signal_process(&process, SigInfo::kernel(which.signal()));
    }
    made.follow();
}

/// One of the running process's interval timers.
pub fn interval_timer(which: IntervalTimer) -> TimerSetting {
    crate::current_process().interval_timers.get(which)
}

/// Sets one of the running process's interval timers and returns what it was. In a task.
///
/// # Errors
/// ENOMEM.
pub fn set_interval_timer(
    which: IntervalTimer,
    setting: TimerSetting,
) -> Result<TimerSetting, Errno> {
    let process = crate::current_process();
    let old = process.interval_timers.get(which);
    process.interval_timers.set(which, &process, setting)?;
    Ok(old)
}
