//! The stall detector: a pool with work on its list that begins none of it for a long time.
//!
//! Such a pool has a worker that runs on and on without blocking, or workers that cannot run. Every so often a timer looks at all pools. A
//! pool that had work at the last look, has work now, and has begun nothing in between is reported, in the form in which Linux's log
//! has it, with what all busy pools are at.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sync::{LockClass, Once, SpinLock};
use time::Timer;

use crate::pool::Pool;
use crate::{pools, report};

/// The level of a record that says that a pool is stuck.
const EMERGENCY: u8 = 0;

/// `workqueue.watchdog_thresh`, in seconds; 0: do not look.
static THRESHOLD: AtomicU64 = AtomicU64::new(30);

static TIMER: Once<Timer> = Once::new();

/// Outside pool locks; taken in the timer.
static SEEN_LOCK: LockClass = LockClass::new("wq_watchdog");
static SEEN: SpinLock<Vec<Seen>> = SpinLock::new(&SEEN_LOCK, Vec::new());

/// What the last look found of a pool with work.
struct Seen {
    pool: u32,
    progress: u64,
    since: u64,
}

/// How many stalls have been reported.
static REPORTS: AtomicU64 = AtomicU64::new(0);

/// How many stalls have been reported.
pub fn reports() -> u64 {
    REPORTS.load(Relaxed)
}

/// The threshold in seconds.
pub fn threshold() -> u64 {
    THRESHOLD.load(Relaxed)
}

/// Sets the threshold in seconds; 0 turns the detector off. Any context.
pub fn set_threshold(seconds: u64) {
    THRESHOLD.store(seconds, Relaxed);
    if let Some(timer) = TIMER.get() {
        rearm(timer);
    }
}

/// Starts the detector. Once. May sleep.
pub fn start() {
    let fresh = TIMER.set(Timer::new(look)).is_ok();
    if fresh && let Some(timer) = TIMER.get() {
        rearm(timer);
    }
}

fn rearm(timer: &Timer) {
    match threshold() {
        0 => {
            timer.cancel();
        }
        seconds => {
            timer.start(time::monotonic().saturating_add(seconds.saturating_mul(time::SECOND)));
        }
    }
}

/// For how long a pool has had work and begun none, in nanoseconds, as far as the last looks can tell.
fn stuck_for(pool: &Pool, seen: &mut Vec<Seen>) -> Option<u64> {
    let (has_work, progress) = {
        let held = pool.lock();
        (held.has_work(), held.progress())
    };
    let place = seen.iter().position(|seen| seen.pool == pool.id);
    if !has_work {
        if let Some(place) = place {
            seen.swap_remove(place);
        }
        return None;
    }
    let now = time::monotonic();
    match place {
        Some(place) if seen[place].progress == progress => Some(now - seen[place].since),
        Some(place) => {
            seen[place] = Seen { pool: pool.id, progress, since: now };
            None
        }
        None => {
            // Without memory the pool is not watched this time.
            if seen.try_reserve(1).is_ok() {
                seen.push(Seen { pool: pool.id, progress, since: now });
            }
            None
        }
    }
}

/// For how long a pool has been stuck, in nanoseconds, without another look: 0 if it has no work, or has begun some since the last one. Any
/// context without a pool locked.
pub(crate) fn hung_for(pool: &Pool) -> u64 {
    let seen = SEEN.lock_irq();
    let Some(seen) = seen.iter().find(|seen| seen.pool == pool.id) else { return 0 };
    let held = pool.lock();
    if held.has_work() && held.progress() == seen.progress {
        time::monotonic().saturating_sub(seen.since)
    } else {
        0
    }
}

/// One look, in the timer.
fn look() {
    let limit = threshold().saturating_mul(time::SECOND);
    if limit == 0 {
        return;
    }
    let mut lockup = false;
    pools::for_each(|pool| {
        let stuck = stuck_for(pool, &mut SEEN.lock_irq());
        if let Some(stuck) = stuck.filter(|&stuck| stuck >= limit) {
            lockup = true;
            REPORTS.fetch_add(1, Relaxed);
            let seconds = stuck / time::SECOND;
            klog::write_record(
                EMERGENCY,
                format_args!(
                    "BUG: workqueue lockup - pool {} stuck for {seconds}s!",
                    report::Describe(pool)
                ),
            );
        }
    });
    if lockup {
        report::show_workqueue_state();
    }
    if let Some(timer) = TIMER.get() {
        rearm(timer);
    }
}
