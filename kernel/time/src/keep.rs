//! What the clocks go by, and who changes it: somebody sets the date, somebody trims the clock, a second begins with something to be done.
//!
//! All of it is behind one lock. What follows from a change is put into the kernel's words and the programs' page in one stretch in which no program
//! reads the page (`vvar`). The seconds of the date cost nothing unless something happens when one begins: then a timer comes for it.

use errno::Errno;
use sync::{LockClass, Once, SpinLock};
use vvar::{Clocks, Pace, Words, Writer};

use crate::clock::{
    self, PACE, SECOND, counter_is_trusted, monotonic, realtime_offset, set_offsets,
};
use crate::date;
use crate::hrtimer::HrTimer;
use crate::ntp::{Change, Discipline, Exactness};

/// Innermost: nothing is taken inside it.
static KEPT_LOCK: LockClass = LockClass::new("date");
static KEPT: SpinLock<Kept> = SpinLock::new(&KEPT_LOCK, Kept::new());

/// Comes when a second of the date begins, if something is to be done then.
static SECONDS: Once<HrTimer> = Once::new();
/// What is to be called when a leap second has moved the date: has [`follow_date`] called by a task.
static LEAP_HOOK: Once<fn()> = Once::new();

/// How fast the monotonic clock goes, exactly.
#[derive(Clone, Copy)]
struct Speed {
    pace: Pace,
    /// What it is ahead of `pace.base`, in 2^-32 ns: for whoever goes on from here.
    fraction: u64,
}

impl Speed {
    /// As the machine says.
    fn nominal() -> Self {
        Self { pace: Pace { counter: machine::time::rate(), base: 0 }, fraction: 0 }
    }

    /// Goes on with another length of a tick from a value of the counter on.
    fn change(&mut self, value: u64, tick_length: u64) {
        let Pace { counter, base } = &mut self.pace;
        let ticks = value.saturating_sub(counter.start);
        let passed =
            u128::from(ticks) * u128::from(counter.tick_length) + u128::from(self.fraction);
        *base += (passed >> 32) as u64;
        self.fraction = passed as u32 as u64;
        counter.start += ticks;
        counter.tick_length = tick_length;
    }
}

/// A tick of the machine's, if a second of the hardware is to be so long on the clock (nanoseconds with 32 bits of fraction).
fn trimmed_length(nominal: u64, second_length: i64) -> u64 {
    let product = u128::from(nominal) * second_length.unsigned_abs() as u128;
    let second = u128::from(SECOND) << 32;
    ((product + second / 2) / second) as u64
}

struct Kept {
    page: Option<Writer<'static>>,
    /// None: as the machine says.
    speed: Option<Speed>,
    discipline: Discipline,
    /// The last second of the date that has begun, as far as the discipline knows; within [`keep`], that of now.
    second: i64,
    /// Until when, on the monotonic clock, what is known of the date has become worse.
    aged: u64,
}

/// What a change leads to.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// When the timer is to come, on the monotonic clock.
    next_second: Option<u64>,
    /// A leap second has moved the date by so much.
    leap: i64,
}

impl Kept {
    const fn new() -> Self {
        Self { page: None, speed: None, discipline: Discipline::new(), second: 0, aged: 0 }
    }

    fn speed(&self) -> Speed {
        self.speed.unwrap_or_else(Speed::nominal)
    }

    /// Puts what follows from all of this in force. `value`: the counter's of now.
    fn put(&mut self, value: u64, offset: u64) {
        let mut speed = self.speed();
        let length =
            trimmed_length(machine::time::rate().tick_length, self.discipline.second_length());
        let changes = length != speed.pace.counter.tick_length;
        if changes {
            speed.change(value, length);
            self.speed = Some(speed);
        }
        let tai = self.discipline.tai();
        let tai_offset = offset.saturating_add_signed(i64::from(tai) * SECOND as i64);
        let clocks = Clocks { pace: speed.pace, realtime_offset: offset, tai_offset };
        let set = || {
            set_offsets(offset, tai);
            if changes {
                PACE.write(speed.pace);
            }
        };
        match &mut self.page {
            Some(page) => page.set(&clocks, set),
            None => set(),
        }
    }

    /// Begins the seconds of the date that have begun by now. Returns by how much that has moved the date, in seconds.
    fn begin_seconds(&mut self, value: u64) -> i64 {
        let mut all_moved = 0;
        loop {
            let second = self.date_at(value) / SECOND as i64;
            if second <= self.second || !self.discipline.needs_seconds() {
                self.second = second;
                return all_moved;
            }
            // Who sleeps for long has nothing to do in each of them: only a clock that was stopped comes so late.
            self.second = (self.second + 1).max(second - 2);
            let moved = self.discipline.second(self.second);
            self.second += moved;
            all_moved += moved;
            self.put(value, realtime_offset().saturating_add_signed(moved * SECOND as i64));
        }
    }

    fn date_at(&self, value: u64) -> i64 {
        realtime_offset().saturating_add(self.speed().pace.time_at(value)).min(i64::MAX as u64)
            as i64
    }

    fn age(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.aged) / SECOND;
        self.aged += seconds * SECOND;
        self.discipline.age(seconds);
    }

    /// When the next second begins, if something is to be done then.
    fn next_second(&self, value: u64) -> Option<u64> {
        let left = SECOND - self.date_at(value) as u64 % SECOND;
        let now = self.speed().pace.time_at(value);
        self.discipline.needs_seconds().then(|| now.saturating_add(left))
    }
}

/// Does something with what is kept, and then what follows from it. In a task, or the timer's interrupt.
fn keep<R>(change: impl FnOnce(&mut Kept, u64) -> R) -> R {
    let (result, outcome) = {
        let mut kept = KEPT.lock_irq();
        let value = machine::time::counter();
        let leap = kept.begin_seconds(value);
        let result = change(&mut kept, value);
        (result, Outcome { next_second: kept.next_second(value), leap })
    };
    if let Some(at) = outcome.next_second
        && let Some(timer) = SECONDS.get()
    {
        timer.start(at);
    }
    if outcome.leap != 0 {
        log::info!(
            "Clock: {}",
            match outcome.leap {
                -1 => "inserting leap second 23:59:60 UTC",
                _ => "deleting leap second 23:59:59 UTC",
            }
        );
        if let Some(hook) = LEAP_HOOK.get() {
            hook();
        }
    }
    result
}

/// Sees to it that there is a timer for the seconds. In a task.
fn prepare() {
    if SECONDS.get().is_none() {
        // If another task is faster, its timer serves.
        let _ = SECONDS.set(HrTimer::new(|| keep(|_, _| ())));
    }
}

/// Says what has timers on the date follow it ([`follow_date`]) when a leap second has moved it. The function is called in hard-interrupt context. Once.
pub fn set_leap_hook(hook: fn()) {
    let _ = LEAP_HOOK.set(hook);
}

/// The date has been moved: all timers on it follow. In a task, with nothing locked.
pub fn follow_date() {
    date::follow();
}

/// Sets the date, and tells all timers on it. Dates before the boot of the machine are moved up to it. In a task, with nothing locked.
pub fn set_realtime(nanoseconds: u64) {
    let set = change_offset(|_| Ok(nanoseconds.saturating_sub(monotonic()).max(1)));
    debug_assert!(set.is_ok(), "any date will do");
}

/// Moves the date by so many nanoseconds, and tells all timers on it. In a task, with nothing locked.
///
/// # Errors
/// EINVAL: to before the boot of the machine, or out of what a date can be.
pub fn move_realtime(by: i64) -> Result<(), Errno> {
    change_offset(|offset| {
        let moved = offset.checked_add_signed(by).filter(|&moved| moved != 0);
        let is_date = |&moved: &u64| moved.saturating_add(monotonic()) / SECOND < LAST_SECOND;
        moved.filter(is_date).ok_or(Errno::EINVAL)
    })
}

/// The first second that no date can be set to: with 30 years to go, the count of nanoseconds ends.
const LAST_SECOND: u64 = i64::MAX as u64 / SECOND - 30 * 365 * 24 * 3600;

fn change_offset(change: impl FnOnce(u64) -> Result<u64, Errno>) -> Result<(), Errno> {
    keep(|kept, value| {
        let offset = change(realtime_offset())?;
        kept.discipline.forget();
        kept.put(value, offset);
        kept.second = kept.date_at(value) / SECOND as i64;
        Ok::<(), Errno>(())
    })?;
    date::follow();
    Ok(())
}

/// What is known of the date now, after a change. In a task.
pub(crate) fn adjust(change: &Change) -> Exactness {
    prepare();
    keep(|kept, value| {
        kept.age(kept.speed().pace.time_at(value));
        kept.discipline.change(change, kept.second);
        kept.put(value, realtime_offset());
        kept.discipline.known()
    })
}

/// Has the clock gain or lose so many microseconds, in place of what is left of an earlier wish, or asks. Returns that, and what is known. In a task.
pub(crate) fn adjust_time(wanted: Option<i64>) -> (i64, Exactness) {
    prepare();
    keep(|kept, value| {
        kept.age(kept.speed().pace.time_at(value));
        (kept.discipline.adjust(wanted), kept.discipline.known())
    })
}

/// Keeps programs told of the clocks in a page that nobody reads yet; once.
pub fn publish(page: &'static Words) {
    let counter = machine::time::user_counter().filter(|_| counter_is_trusted());
    let knows_cpu = machine::cpu::user_number();
    let mut kept = KEPT.lock_irq();
    let offset = realtime_offset();
    let tai_offset = offset.saturating_add_signed(clock::tai_offset());
    let clocks = Clocks { pace: kept.speed().pace, realtime_offset: offset, tai_offset };
    kept.page = Some(Writer::new(page, counter, knows_cpu, &clocks));
}

#[cfg(test)]
mod tests {
    use super::{Pace, SECOND, Speed, trimmed_length};
    use contract::Counter;

    /// A clock that is changed again and again does not go back, nor lose what is less than a nanosecond.
    #[test]
    fn w03_a_clock_goes_on_from_where_it_is() {
        let nominal = (1 << 32) / 3 + 7;
        let pace = Pace { counter: Counter { start: 1000, tick_length: nominal }, base: 0 };
        let mut speed = Speed { pace, fraction: 0 };
        let (mut value, mut last) = (1000, 0);
        let mut exact: u128 = 0;
        for turn in 0..10_000u64 {
            let length = nominal + turn % 3;
            let step = 1 + turn % 17;
            exact += u128::from(step) * u128::from(speed.pace.counter.tick_length);
            value += step;
            let before = speed.pace.time_at(value);
            speed.change(value, length);
            let after = speed.pace.time_at(value);
            assert!(before >= last && after >= before && after <= before + 1);
            last = after;
        }
        assert_eq!((u128::from(last) << 32) + u128::from(speed.fraction), exact);
    }

    #[test]
    fn w03_a_tick_is_as_long_as_is_wanted() {
        let second = (SECOND as i64) << 32;
        assert_eq!(trimmed_length(1 << 32, second), 1 << 32);
        assert_eq!(trimmed_length(1_654_321_987, second), 1_654_321_987);
        // A tenth more.
        assert_eq!(trimmed_length(1_000_000_000, second / 10 * 11), 1_100_000_000);
        // To the nearest: 3.3, and 3.6.
        assert_eq!([11, 12].map(|tenths| trimmed_length(3, second / 10 * tenths)), [3, 4]);
    }
}
