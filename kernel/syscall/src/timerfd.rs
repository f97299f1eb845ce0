//! `timerfd`: a timer that can be waited for.

use alloc::sync::Arc;
use core::fmt;

use ::time::{DateTimer, HrTimer, Moment, SECOND};
use errno::{Errno, Result};
use fs::{Capabilities, File, FileOperations, OpenFlags, PollEvents, PollTable, Sink};
use process::ClockTimer;
use sched::{Sleep, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::abi::time::{IntervalTimespec, Timespec};
use crate::clock::Clock;
use crate::current;
use crate::user::UserPtr;

/// Taken in the timer's interrupt; a timer queue's lock is taken inside.
static SETTING_LOCK: LockClass = LockClass::new("timerfd");

const TFD_TIMER_ABSTIME: u32 = 1;
const TFD_TIMER_CANCEL_ON_SET: u32 = 2;
/// `_IOW('T', 0, u64)`
const TFD_IOC_SET_TICKS: u32 = 0x4008_5400;

/// When a timer expires, and whether its owner is to learn that the date was set.
#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    /// The next time that has not been read yet; `None`: not armed.
    next: Option<Moment>,
    /// 0: once. In nanoseconds.
    interval: u64,
    /// `TFD_TIMER_CANCEL_ON_SET`.
    watches_date: bool,
    /// The date was set, and the owner does not know yet.
    date_was_set: bool,
    /// The flags with which it was set.
    flags: u32,
    /// Expirations that somebody says there have been (`TFD_IOC_SET_TICKS`), less those that were there then.
    given: Option<u64>,
}

impl Setting {
    /// How many times it has expired by `now`, on its clock, since the last call.
    fn take_expirations(&mut self, now: u64) -> u64 {
        let given = self.given.take().unwrap_or(0);
        self.take_own(now).saturating_add(given)
    }

    fn take_own(&mut self, now: u64) -> u64 {
        let Some(next) = self.next.filter(|next| next.value() <= now) else {
            return 0;
        };
        if self.interval == 0 {
            self.next = None;
            return 1;
        }
        let count = (now - next.value()) / self.interval + 1;
        self.next = Some(next.later(count.saturating_mul(self.interval)));
        count
    }

    /// Whether the date was set, for who wants to know that and has not been told.
    fn take_cancellation(&mut self) -> bool {
        self.watches_date && core::mem::take(&mut self.date_was_set)
    }

    fn now(&self) -> u64 {
        self.next.map_or(0, Moment::now)
    }

    fn has_expired(&self) -> bool {
        self.next.is_some_and(Moment::has_come)
    }

    /// Whether there is something to be read.
    fn has_ticks(&self) -> bool {
        self.has_expired() || self.given.is_some_and(|given| given != 0)
    }

    /// How many expirations have been noticed; those that an interval has missed are counted when they are read.
    fn ticks(&self) -> u64 {
        self.given.unwrap_or(0) + u64::from(self.has_expired())
    }

    /// Says how many there have been by `now`, at least one.
    fn set_ticks(&mut self, ticks: u64, now: u64) {
        let has_expired = self.next.is_some_and(|next| next.value() <= now);
        self.given = Some(ticks - u64::from(has_expired));
    }
}

/// What the timer's function and the file share.
struct Shared {
    setting: SpinLock<Setting>,
    expired: Arc<WaitQueue>,
}

impl Shared {
    fn date_was_set(&self) {
        {
            let mut setting = self.setting.lock_irq();
            if !setting.watches_date {
                return;
            }
            setting.date_was_set = true;
        }
        self.expired.wake_all();
    }
}

struct TimerFd {
    clock: Clock,
    /// The clock's number.
    number: i32,
    shared: Arc<Shared>,
    timer: ClockTimer,
}

impl TimerFd {
    fn new(clock: Clock, number: i32) -> Self {
        let shared = Arc::new(Shared {
            setting: SpinLock::new(&SETTING_LOCK, Setting::default()),
            expired: Arc::new(WaitQueue::new()),
        });
        let told = shared.clone();
        let expire = move || told.expired.wake_all();
        let timer = if clock == Clock::Realtime {
            let watching = shared.clone();
            ClockTimer::Date(DateTimer::watching(expire, move || watching.date_was_set()))
        } else {
            ClockTimer::Monotonic(HrTimer::new(expire))
        };
        Self { clock, number, shared, timer }
    }

    /// The timer waits for what is set.
    fn follow(&self) {
        self.timer.follow(|| self.shared.setting.lock_irq().next);
    }

    /// How often it has expired; `None`: not at all.
    ///
    /// # Errors
    /// ECANCELED: the date was set. What has expired by then is forgotten.
    fn take(&self) -> Option<Result<u64>> {
        let (count, next) = {
            let mut setting = self.shared.setting.lock_irq();
            let now = setting.now();
            let count = setting.take_expirations(now);
            if setting.take_cancellation() {
                if count > 0 {
                    setting.next = None;
                }
                return Some(Err(Errno::ECANCELED));
            }
            (count, setting.next)
        };
        // The next expiration matters only once this one has been read.
        if count > 0 && next.is_some() {
            self.follow();
        }
        (count > 0).then_some(Ok(count))
    }

    fn show(&self) -> IntervalTimespec {
        let setting = *self.shared.setting.lock_irq();
        let now = setting.now();
        let left = match setting.next.map(Moment::value) {
            None => 0,
            Some(next) if next > now => next - now,
            Some(_) if setting.interval == 0 => 0,
            Some(next) => setting.interval - (now - next) % setting.interval,
        };
        IntervalTimespec {
            interval: Timespec::from_nanoseconds(setting.interval),
            value: Timespec::from_nanoseconds(left),
        }
    }

    /// Arms or disarms the timer.
    ///
    /// # Errors
    /// EINVAL. ECANCELED: it is armed, and the date was set since the owner has last been told.
    fn set(&self, flags: u32, new: IntervalTimespec) -> Result<()> {
        let interval = new.interval.to_nanoseconds()?;
        let value = new.value.to_nanoseconds()?;
        let is_absolute = flags & TFD_TIMER_ABSTIME != 0;
        let next = match (is_absolute, self.clock) {
            _ if value == 0 => None,
            (false, _) => Some(Moment::Elapsed(::time::monotonic().saturating_add(value))),
            (true, Clock::Realtime) => Some(Moment::Date(value)),
            (true, _) => Some(Moment::Elapsed(value)),
        };
        let is_cancelled = {
            let mut setting = self.shared.setting.lock_irq();
            let watches_date = flags & TFD_TIMER_CANCEL_ON_SET != 0
                && is_absolute
                && self.clock == Clock::Realtime;
            let date_was_set = setting.date_was_set;
            *setting = Setting { next, interval, watches_date, date_was_set, flags, given: None };
            next.is_some() && setting.take_cancellation()
        };
        self.follow();
        if is_cancelled { Err(Errno::ECANCELED) } else { Ok(()) }
    }
}

impl FileOperations for TimerFd {
    fn is_seekable(&self) -> bool {
        false
    }

    fn read(&self, file: &File, to: &mut dyn Sink, _: &mut u64) -> Result<usize> {
        if to.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let count = if file.is_nonblocking() {
            self.take().ok_or(Errno::EAGAIN)??
        } else {
            self.shared.expired.wait_map(Sleep::Interruptible, None, || self.take())??
        };
        to.put(&count.to_ne_bytes())
    }

    fn poll(&self, _: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.shared.expired);
        let setting = *self.shared.setting.lock_irq();
        let is_cancelled = setting.watches_date && setting.date_was_set;
        if is_cancelled || setting.has_ticks() { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn ioctl(&self, _: &File, command: u32, argument: usize) -> Result<usize> {
        if command != TFD_IOC_SET_TICKS {
            return Err(Errno::ENOTTY);
        }
        let ticks = UserPtr::<u64>::new(argument).read()?;
        if ticks == 0 {
            return Err(Errno::EINVAL);
        }
        {
            let mut setting = self.shared.setting.lock_irq();
            if setting.take_cancellation() {
                return Err(Errno::ECANCELED);
            }
            let now = setting.now();
            setting.set_ticks(ticks, now);
        }
        self.shared.expired.wake_all();
        Ok(0)
    }

    fn show_info(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let setting = *self.shared.setting.lock_irq();
        // What is left: nothing of one that has expired, whatever its interval.
        let left = setting.next.map_or(0, |next| next.value().saturating_sub(setting.now()));
        let parts = |time: u64| (time / SECOND, time % SECOND);
        let (value, interval) = (parts(left), parts(setting.interval));
        writeln!(to, "clockid: {}\nticks: {}", self.number, setting.ticks())?;
        writeln!(to, "settime flags: 0{:o}", setting.flags)?;
        writeln!(to, "it_value: ({}, {})", value.0, value.1)?;
        writeln!(to, "it_interval: ({}, {})", interval.0, interval.1)
    }
}

/// `timerfd_create`.
pub(crate) fn timerfd_create(number: i32, flags: u32) -> Result<usize> {
    let flags = OpenFlags::from_bits(flags)
        .filter(|flags| (OpenFlags::NONBLOCK | OpenFlags::CLOEXEC).contains(*flags))
        .ok_or(Errno::EINVAL)?;
    let clock = match number {
        // CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, and the two that would wake a machine.
        0 | 1 | 7 | WAKING_DATE | WAKING_TIME => Clock::from_number(number)?,
        _ => return Err(Errno::EINVAL),
    };
    require_waking(number)?;
    let operations = Arc::new(TimerFd::new(clock, number));
    current::install_anonymous("timerfd", operations, flags | OpenFlags::RDWR)
}

/// `timerfd_settime`.
pub(crate) fn timerfd_settime(
    fd: i32,
    flags: u32,
    new: UserPtr<IntervalTimespec>,
    old: UserPtr<IntervalTimespec>,
) -> Result<usize> {
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let new = new.read()?;
    let file = current::file(fd)?;
    let timer = timer_of(&file)?;
    require_waking(timer.number)?;
    let before = timer.show();
    timer.set(flags, new)?;
    old.write_unless_null(&before)?;
    Ok(0)
}

/// `timerfd_gettime`.
pub(crate) fn timerfd_gettime(fd: i32, result: UserPtr<IntervalTimespec>) -> Result<usize> {
    let file = current::file(fd)?;
    result.write(&timer_of(&file)?.show())?;
    Ok(0)
}

/// `CLOCK_REALTIME_ALARM`, `CLOCK_BOOTTIME_ALARM`.
const WAKING_DATE: i32 = 8;
const WAKING_TIME: i32 = 9;

/// Not everybody may wake a machine.
fn require_waking(clock: i32) -> Result<()> {
    match clock {
        WAKING_DATE | WAKING_TIME => process::credentials().require(Capabilities::WAKE_ALARM),
        _ => Ok(()),
    }
}

fn timer_of(file: &File) -> Result<&TimerFd> {
    file.operations().downcast_ref().ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::{Moment, Setting};

    #[test]
    fn expirations_are_counted_and_none_is_counted_twice() {
        let at = |next, interval| {
            let next = Some(Moment::Elapsed(next));
            Setting { next, interval, ..Setting::default() }
        };
        let mut every_ten = at(100, 10);
        assert_eq!(every_ten.take_expirations(99), 0);
        assert_eq!(every_ten.take_expirations(100), 1);
        assert_eq!(every_ten.take_expirations(109), 0);
        assert_eq!(every_ten.take_expirations(135), 3);
        assert_eq!(every_ten.next, Some(Moment::Elapsed(140)));
        let mut once = at(5, 0);
        assert_eq!(once.take_expirations(u64::MAX), 1);
        assert_eq!(once.take_expirations(u64::MAX), 0);
        // What somebody says there have been is in place of those that have been noticed.
        let mut told = at(100, 10);
        told.set_ticks(5, 99);
        assert_eq!((told.take_expirations(99), told.take_expirations(99)), (5, 0));
        told.set_ticks(5, 99);
        assert_eq!(told.take_expirations(110), 7);
        let mut hostile = at(1, 1);
        assert_eq!(hostile.take_expirations(u64::MAX), u64::MAX);
    }
}
