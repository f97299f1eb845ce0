//! Timers on the date, which somebody may set.
//!
//! The queues know the monotonic clock only. So a [`DateTimer`] remembers the date that it waits for, and is started again when the date
//! has been set: all of them are in a list for that. Nothing is missed in between:
//!
//! ```text
//!   who starts a timer               who sets the date
//!   locks the timer                  stores the new date
//!   notes what it waits for          goes through the list:
//!   reads the date                     locks the timer
//!   queues it                          reads the date, and queues it anew
//! ```
//!
//! Who starts it after the other has had the lock reads the new date. And one whose time came by the old date, and not by the new
//! one, finds that out in its interrupt, under the lock, and leaves the rest to who sets the date.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sync::{LockClass, SpinLock};

use crate::HrTimer;
use crate::clock::{monotonic, realtime, realtime_offset};

/// Taken in the timer's interrupt; a timer queue's lock is taken inside.
static DUE_LOCK: LockClass = LockClass::new("date_timer");
/// Taken with interrupts off; takes nothing but the heap's locks.
static LIST_LOCK: LockClass = LockClass::new("date_timers");
/// All there are, started or not.
static ALL: SpinLock<BTreeMap<u64, Weak<Inner>>> = SpinLock::new(&LIST_LOCK, BTreeMap::new());
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A time to wait for, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// On a clock that only passes.
    Elapsed(u64),
    /// On the date, as it will be set by then.
    Date(u64),
}

impl Moment {
    /// Its number on its clock.
    pub fn value(self) -> u64 {
        match self {
            Self::Elapsed(value) | Self::Date(value) => value,
        }
    }

    /// So much later.
    #[must_use]
    pub fn later(self, nanoseconds: u64) -> Self {
        match self {
            Self::Elapsed(value) => Self::Elapsed(value.saturating_add(nanoseconds)),
            Self::Date(value) => Self::Date(value.saturating_add(nanoseconds)),
        }
    }

    /// What its clock shows now, if that is the date or the monotonic clock.
    pub fn now(self) -> u64 {
        match self {
            Self::Elapsed(_) => monotonic(),
            Self::Date(_) => realtime(),
        }
    }

    /// Whether it has come, by [`now`](Self::now).
    pub fn has_come(self) -> bool {
        self.now() >= self.value()
    }

    /// Where it is on the monotonic clock, if nobody sets the date.
    fn on_monotonic(self) -> u64 {
        match self {
            Self::Elapsed(value) => value,
            Self::Date(value) => value.saturating_sub(realtime_offset()),
        }
    }
}

/// A function to be called at a date, whatever happens to the date meanwhile, or at a time of the monotonic clock; in hard-interrupt
/// context. Dropping the timer cancels it.
pub struct DateTimer {
    inner: Arc<Inner>,
    number: u64,
}

struct Inner {
    timer: HrTimer,
    due: Arc<SpinLock<Option<Moment>>>,
    on_set: Option<Box<dyn Fn() + Send + Sync>>,
}

impl DateTimer {
    /// A timer that is not started. `function` runs in hard-interrupt context: it must not sleep, and it may start the timer again.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self::make(function, None)
    }

    /// As [`new`](Self::new); `on_set` is called each time that somebody has set the date, in that task, with nothing locked.
    pub fn watching(
        function: impl Fn() + Send + Sync + 'static,
        on_set: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self::make(function, Some(Box::new(on_set)))
    }

    fn make(
        function: impl Fn() + Send + Sync + 'static,
        on_set: Option<Box<dyn Fn() + Send + Sync>>,
    ) -> Self {
        let due = Arc::new(SpinLock::new(&DUE_LOCK, None));
        let noted: Arc<SpinLock<Option<Moment>>> = due.clone();
        let timer = HrTimer::new(move || {
            let expired = noted.lock_irq().take_if(|moment| moment.has_come()).is_some();
            if expired {
                function();
            }
        });
        let inner = Arc::new(Inner { timer, due, on_set });
        let number = NEXT_NUMBER.fetch_add(1, Relaxed);
        ALL.lock_irq().insert(number, Arc::downgrade(&inner));
        Self { inner, number }
    }

    /// Starts the timer; one that is started is moved. What has come already fires at once. Any context.
    pub fn start(&self, moment: Moment) {
        let mut due = self.inner.due.lock_irq();
        *due = Some(moment);
        self.inner.timer.start(moment.on_monotonic());
    }

    /// Takes the timer back and returns whether it was started. The function may still be running on another CPU. Any context.
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// Whether the timer waits for its time.
    pub fn is_pending(&self) -> bool {
        self.inner.due.lock_irq().is_some()
    }

    /// As [`HrTimer::cancel_sync`].
    pub fn cancel_sync(&self) -> bool {
        let mut was_started = false;
        loop {
            was_started |= self.inner.cancel();
            // Not with the lock held, for which the function may wait.
            self.inner.timer.cancel_sync();
            // It may have started the timer again before it ended. Once nothing is due, nobody else starts it.
            if self.inner.due.lock_irq().is_none() {
                return was_started;
            }
        }
    }
}

impl Drop for DateTimer {
    fn drop(&mut self) {
        self.inner.cancel();
        let ours = ALL.lock_irq().remove(&self.number);
        drop(ours);
    }
}

impl Inner {
    fn cancel(&self) -> bool {
        let mut due = self.due.lock_irq();
        self.timer.cancel();
        due.take().is_some()
    }

    /// The date has been set.
    fn follow(&self) {
        {
            let due = self.due.lock_irq();
            if let Some(moment @ Moment::Date(_)) = *due {
                self.timer.start(moment.on_monotonic());
            }
        }
        if let Some(on_set) = &self.on_set {
            on_set();
        }
    }
}

/// The date has been set: all timers on it follow. In a task, with nothing locked.
pub(crate) fn follow() {
    let mut from = 0;
    loop {
        // One at a time, so that nobody waits long for the list. A timer that is made meanwhile knows the new date.
        let next =
            ALL.lock_irq().range(from..).next().map(|(&number, timer)| (number, timer.clone()));
        let Some((number, timer)) = next else { return };
        from = number + 1;
        if let Some(timer) = timer.upgrade() {
            timer.follow();
        }
    }
}
