//! POSIX timers: `timer_create` and its kin.
//!
//! A timer belongs to a process and sends it a signal, or one of its threads. Timers go with the
//! program: the memory's release at an `execve` or at the end takes them along.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::fmt;

use errno::{Errno, Result};
use process::signal::Details;
use process::signal::info::SI_TIMER;
use process::{
    ClockTimer, PidNamespace, Process, SigInfo, Signal, Thread, signal_process, signal_thread,
};
use sched::Task;
use sync::{LockClass, Once, SpinLock};
use time::Moment;

use crate::abi::signal::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, SigEvent};
use crate::abi::time::{IntervalTimespec, Timespec};
use crate::clock::Clock;
use crate::current;
use crate::user::UserPtr;

/// Taken inside the locks of signals, when one is taken; nothing is taken inside.
static TABLE_LOCK: LockClass = LockClass::new("posix_timers");
/// Taken in the timer's interrupt; takes nothing inside.
static SETTING_LOCK: LockClass = LockClass::new("posix_timer");

const TIMER_ABSTIME: u32 = 1;

/// The most timers of one process.
const TIMERS_MAX: usize = 1024;

/// By the process's address and the timer's number. A process that ends takes its timers out, so the address is its own for as long as it
/// is in the table.
static TIMERS: SpinLock<BTreeMap<(usize, i32), Arc<PosixTimer>>> =
    SpinLock::new(&TABLE_LOCK, BTreeMap::new());

/// Who is told of an expiration.
enum Receiver {
    Nobody,
    Process(Weak<Process>),
    Thread(Weak<Task>),
}

#[derive(Clone, Copy, Default)]
struct Setting {
    next: Option<Moment>,
    /// In nanoseconds.
    interval: u64,
    /// For how many expirations more the signal stood that was taken last.
    overrun: i32,
}

/// What the timer's function needs.
struct Alarm {
    id: i32,
    value: u64,
    /// As they were given, to be shown: the signal, also if none is sent, and how it is to be sent.
    signal_number: i32,
    notify: i32,
    signal: Option<Signal>,
    receiver: Receiver,
    setting: SpinLock<Setting>,
}

struct PosixTimer {
    clock: Clock,
    /// The clock's number, as it was given.
    number: i32,
    alarm: Arc<Alarm>,
    timer: Arc<ClockTimer>,
}

impl Alarm {
    /// In the timer's interrupt: tells of the expiration, if it is one.
    fn expire(&self, timer: &ClockTimer) {
        let Some(due) = self.setting.lock_irq().next else { return };
        // Not with the setting locked: reading CPU time takes locks.
        let Some(now) = timer.now_for(due) else { return };
        let overrun = {
            let mut setting = self.setting.lock_irq();
            let late = now.checked_sub(due.value()).filter(|_| setting.next == Some(due));
            // If not, the timer, or the date, was set anew while this interrupt was on its way.
            let Some(late) = late else { return };
            let missed = late.checked_div(setting.interval).unwrap_or(0);
            setting.next = match setting.interval {
                0 => None,
                interval => Some(due.later((missed + 1).saturating_mul(interval))),
            };
            i32::try_from(missed).unwrap_or(i32::MAX)
        };
        if !self.tell(overrun) {
            // Nobody is left to be told.
            self.setting.lock_irq().next = None;
        }
    }

    /// The timer waits for what is set.
    fn lead(&self, timer: &ClockTimer) {
        timer.follow(|| self.setting.lock_irq().next);
    }

    fn tell(&self, overrun: i32) -> bool {
        let Some(signal) = self.signal else { return true };
        let details = Details::Timer { id: self.id as u32, overrun, value: self.value };
        let info = SigInfo { signal, errno: 0, code: SI_TIMER, details };
        let sent = match &self.receiver {
            Receiver::Nobody => return true,
            Receiver::Process(process) => {
                process.upgrade().ok_or(Errno::ESRCH).and_then(|to| signal_process(&to, info))
            }
            Receiver::Thread(task) => {
                task.upgrade().ok_or(Errno::ESRCH).and_then(|to| signal_thread(&to, info))
            }
        };
        // A queue that is full is empty again some time.
        sent != Err(Errno::ESRCH)
    }
}

impl PosixTimer {
    fn new(number: i32, clock: Clock, alarm: Arc<Alarm>) -> Result<Self> {
        let of_timer = alarm.clone();
        // The function starts the timer again, so it has to know it, without keeping it.
        let itself: Arc<Once<Weak<ClockTimer>>> = Arc::new(Once::new());
        let known = itself.clone();
        let timer = Arc::new(ClockTimer::new(clock.base()?, move || {
            if let Some(timer) = known.get().and_then(Weak::upgrade) {
                of_timer.expire(&timer);
                of_timer.lead(&timer);
            }
        })?);
        // It is new, and nobody else's.
        let _ = itself.set(Arc::downgrade(&timer));
        Ok(Self { clock, number, alarm, timer })
    }

    fn show(&self) -> IntervalTimespec {
        let setting = *self.alarm.setting.lock_irq();
        // One that is about to expire is still on. Whose CPU time is gone uses no more.
        let left = setting.next.map_or(0, |next| {
            let now = self.timer.now_for(next).unwrap_or(u64::MAX);
            next.value().saturating_sub(now).max(1)
        });
        IntervalTimespec {
            interval: Timespec::from_nanoseconds(setting.interval),
            value: Timespec::from_nanoseconds(left),
        }
    }

    fn describe(
        &self,
        id: i32,
        process: &Process,
        namespace: &PidNamespace,
        to: &mut dyn fmt::Write,
    ) -> fmt::Result {
        let Alarm { value, signal_number, notify, receiver, .. } = &*self.alarm;
        let how = match notify & !SIGEV_THREAD_ID {
            SIGEV_NONE => "none",
            SIGEV_THREAD => "thread",
            _ => "signal",
        };
        let (whose, number) = match receiver {
            Receiver::Thread(thread) => {
                let number = |task: Arc<Task>| Thread::of(&task).number_in(namespace);
                ("tid", thread.upgrade().map_or(0, number))
            }
            _ => ("pid", process.pid().number_in(namespace)),
        };
        writeln!(to, "ID: {id}\nsignal: {signal_number}/{value:016x}")?;
        writeln!(to, "notify: {how}/{whose}.{number}\nClockID: {}", self.number)
    }

    fn set(&self, absolute: bool, value: u64, interval: u64) {
        // One that is switched off forgets its interval.
        let interval = if value == 0 { 0 } else { interval };
        let next = match (absolute, self.clock) {
            _ if value == 0 => None,
            (false, _) => {
                let now = self.timer.now().unwrap_or(u64::MAX);
                Some(Moment::Elapsed(now.saturating_add(value)))
            }
            (true, Clock::Realtime | Clock::Tai) => Some(Moment::Date(self.clock.on_date(value))),
            (true, _) => Some(Moment::Elapsed(value)),
        };
        *self.alarm.setting.lock_irq() = Setting { next, interval, overrun: 0 };
        self.alarm.lead(&self.timer);
    }
}

fn key(process: &Process) -> usize {
    core::ptr::from_ref(process).addr()
}

/// The keys of a process's timers: the first, and the last.
fn range_of(process: &Process) -> ((usize, i32), (usize, i32)) {
    ((key(process), 0), (key(process), i32::MAX))
}

/// The lowest number that none of a process's timers has.
///
/// # Errors
/// EAGAIN: it has as many as it may have.
fn free_number(process: &Process) -> Result<i32> {
    let (first, last) = range_of(process);
    let timers = TIMERS.lock_irq();
    let numbers = timers.range(first..=last).map(|(&(_, id), _)| id);
    let free = (0..).zip(numbers).take_while(|&(free, id)| free == id).count();
    if free < TIMERS_MAX { Ok(free as i32) } else { Err(Errno::EAGAIN) }
}

fn find(id: i32) -> Result<Arc<PosixTimer>> {
    let process = current::process();
    TIMERS.lock_irq().get(&(key(&process), id)).cloned().ok_or(Errno::EINVAL)
}

fn alarm_of(process: &Arc<Process>, id: i32, event: Option<SigEvent>) -> Result<Alarm> {
    let setting = SpinLock::new(&SETTING_LOCK, Setting::default());
    let whole = || Receiver::Process(Arc::downgrade(process));
    let Some(event) = event else {
        let signal = Some(Signal::SIGALRM);
        let (signal_number, notify) = (Signal::SIGALRM.number() as i32, SIGEV_SIGNAL);
        let (value, receiver) = (id as u64, whole());
        return Ok(Alarm { id, value, signal_number, notify, signal, receiver, setting });
    };
    let signal = || {
        let number = u32::try_from(event.signal).ok();
        number.and_then(Signal::from_number).ok_or(Errno::EINVAL)
    };
    let (signal, receiver) = match event.notify {
        SIGEV_NONE => (None, Receiver::Nobody),
        SIGEV_SIGNAL | SIGEV_THREAD => (Some(signal()?), whole()),
        SIGEV_THREAD_ID => {
            // 0 is nobody here.
            let number = (event.tid != 0).then_some(event.tid).ok_or(Errno::EINVAL)?;
            let task = current::find_task(number).map_err(|_| Errno::EINVAL)?;
            if !Arc::ptr_eq(process::process_of(&task), process) {
                return Err(Errno::EINVAL);
            }
            (Some(signal()?), Receiver::Thread(Arc::downgrade(&task)))
        }
        _ => return Err(Errno::EINVAL),
    };
    let SigEvent { value, signal: signal_number, notify, .. } = event;
    Ok(Alarm { id, value, signal_number, notify, signal, receiver, setting })
}

/// `timer_create`.
pub(crate) fn timer_create(
    number: i32,
    event: UserPtr<SigEvent>,
    result: UserPtr<i32>,
) -> Result<usize> {
    ::memory::require_free()?;
    let clock = Clock::waitable(number)?;
    let event = event.non_null().map(UserPtr::read).transpose()?;
    let process = current::process();
    // Two threads may find the same number: who inserts second tries again.
    loop {
        let id = free_number(&process)?;
        let alarm = Arc::new(alarm_of(&process, id, event)?);
        let timer = Arc::new(PosixTimer::new(number, clock, alarm)?);
        let mut timers = TIMERS.lock_irq();
        if timers.contains_key(&(key(&process), id)) {
            continue;
        }
        timers.insert((key(&process), id), timer);
        drop(timers);
        if let Err(error) = result.write(&id) {
            timer_delete(id)?;
            return Err(error);
        }
        return Ok(0);
    }
}

/// `timer_settime`.
pub(crate) fn timer_settime(
    id: i32,
    flags: u32,
    new: UserPtr<IntervalTimespec>,
    old: UserPtr<IntervalTimespec>,
) -> Result<usize> {
    let given = new.non_null().ok_or(Errno::EINVAL)?.read()?;
    let (value, interval) = (given.value.to_nanoseconds()?, given.interval.to_nanoseconds()?);
    let timer = find(id)?;
    let before = timer.show();
    timer.set(flags & TIMER_ABSTIME != 0, value, interval);
    old.write_unless_null(&before)?;
    Ok(0)
}

/// `timer_gettime`.
pub(crate) fn timer_gettime(id: i32, result: UserPtr<IntervalTimespec>) -> Result<usize> {
    result.write(&find(id)?.show())?;
    Ok(0)
}

/// `timer_getoverrun`: how many expirations the last signal stood for beside its own.
pub(crate) fn timer_getoverrun(id: i32) -> Result<usize> {
    Ok(find(id)?.alarm.setting.lock_irq().overrun as usize)
}

/// `timer_delete`.
pub(crate) fn timer_delete(id: i32) -> Result<usize> {
    let process = current::process();
    let removed = TIMERS.lock_irq().remove(&(key(&process), id));
    let timer = removed.ok_or(Errno::EINVAL)?;
    timer.timer.cancel_sync();
    Ok(0)
}

/// Shows a process's timers, as `/proc/PID/timers` does, with the numbers of a namespace.
///
/// # Errors
/// What `to` says.
pub fn show_timers(
    process: &Arc<Process>,
    namespace: &PidNamespace,
    to: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut from = 0;
    loop {
        // One at a time: writing takes memory.
        let (first, last) = ((key(process), from), (key(process), i32::MAX));
        let next = TIMERS
            .lock_irq()
            .range(first..=last)
            .next()
            .map(|(&(_, id), timer)| (id, timer.clone()));
        let Some((id, timer)) = next else { return Ok(()) };
        timer.describe(id, process, namespace, to)?;
        let Some(following) = id.checked_add(1) else { return Ok(()) };
        from = following;
    }
}

/// The running thread takes a timer's signal, which stands for so many expirations more.
pub(crate) fn signal_taken(id: u32, overrun: i32) {
    let Ok(id) = i32::try_from(id) else { return };
    if let Ok(timer) = find(id) {
        timer.alarm.setting.lock_irq().overrun = overrun;
    }
}

/// The running process's program goes, with its last thread: so do its timers.
pub(crate) fn release() {
    let process = current::process();
    if process.thread_count() == 1 {
        release_of(&process);
    }
}

/// A process has no timers any more.
pub(crate) fn release_of(process: &Process) {
    let (first, last) = range_of(process);
    loop {
        let removed = {
            let mut timers = TIMERS.lock_irq();
            let next = timers.range(first..=last).next().map(|(&key, _)| key);
            next.and_then(|key| timers.remove(&key))
        };
        let Some(removed) = removed else { return };
        removed.timer.cancel_sync();
    }
}
