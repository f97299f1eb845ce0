//! `ITIMER_REAL`: SIGALRM after a time, once or again and again.

use alloc::sync::{Arc, Weak};

use sync::{LockClass, Once, SpinLock};
use time::HrTimer;

use crate::process::Process;
use crate::signal::{self, SigInfo, Signal};

/// Taken by the timer's function, in an interrupt; the timer queue's lock is taken inside.
static SETTING_LOCK: LockClass = LockClass::new("process.itimer");

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
    /// On the monotonic clock; 0: off.
    deadline: u64,
    interval: u64,
}

struct Made {
    timer: HrTimer,
    armed: Arc<SpinLock<Armed>>,
}

/// A process's real-time timer; costs nothing until it is first set.
pub(crate) struct RealTimer {
    made: Once<Made>,
}

impl RealTimer {
    pub(crate) const fn new() -> Self {
        Self { made: Once::new() }
    }

    /// Turns it off for good.
    pub(crate) fn stop(&self) {
        if let Some(made) = self.made.get() {
            *made.armed.lock_irq() = Armed::default();
            made.timer.cancel();
        }
    }

    fn get(&self) -> TimerSetting {
        let Some(made) = self.made.get() else { return TimerSetting::default() };
        let armed = *made.armed.lock_irq();
        let value = match armed.deadline {
            0 => 0,
            // One that is about to expire is still on.
            deadline => deadline.saturating_sub(time::monotonic()).max(1),
        };
        TimerSetting { value, interval: armed.interval }
    }

    fn set(&self, process: &Arc<Process>, setting: TimerSetting) {
        if self.made.get().is_none() {
            // Another thread may be first; its timer serves as well.
            let _ = self.made.set(make(Arc::downgrade(process)));
        }
        let Some(made) = self.made.get() else { return };
        if setting.value == 0 {
            *made.armed.lock_irq() = Armed::default();
            made.timer.cancel();
            return;
        }
        let deadline = time::monotonic().saturating_add(setting.value);
        *made.armed.lock_irq() = Armed { deadline, interval: setting.interval };
        made.timer.start(deadline);
    }
}

fn make(process: Weak<Process>) -> Made {
    let armed = Arc::new(SpinLock::new(&SETTING_LOCK, Armed::default()));
    let of_timer = armed.clone();
    let timer = HrTimer::new(move || {
        if let Some(process) = process.upgrade() {
            expire(&process, &of_timer);
        }
    });
    Made { timer, armed }
}

/// In the timer's interrupt.
fn expire(process: &Arc<Process>, armed: &SpinLock<Armed>) {
    let next = {
        let mut armed = armed.lock_irq();
        if armed.deadline == 0 || time::monotonic() < armed.deadline {
            // It was turned off, or set anew, while this interrupt was on its way.
            return;
        }
        armed.deadline = match armed.interval {
            0 => 0,
            interval => time::monotonic().saturating_add(interval),
        };
        armed.deadline
    };
    // It may have ended just now.
    let _ = signal::signal_process(process, SigInfo::kernel(Signal::SIGALRM));
    if next != 0
        && let Some(made) = process.real_timer.made.get()
    {
        made.timer.start(next);
    }
}

/// The running process's `ITIMER_REAL`.
pub fn real_timer() -> TimerSetting {
    crate::current_process().real_timer.get()
}

/// Sets the running process's `ITIMER_REAL` and returns what it was.
pub fn set_real_timer(setting: TimerSetting) -> TimerSetting {
    let process = crate::current_process();
    let old = process.real_timer.get();
    process.real_timer.set(&process, setting);
    old
}
