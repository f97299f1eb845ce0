//! The plan in force, and the question that every point asks.

use crate::Point;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

const POINTS: usize = Point::ALL.len();
/// In [`Armed::only`]: any point matches.
const ANY: u8 = u8::MAX;

/// When a matching call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The nth matching call from now on, counted from 1, and no other.
    Nth(u64),
    /// Every matching call from the nth on: the resource has run out and stays so.
    From(u64),
    /// Each matching call with this many chances in a million, decided by the seed.
    PerMillion {
        /// Chances in a million.
        chances: u32,
        /// Which of the possible runs this is.
        seed: u64,
    },
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Calls of this point only; `None`: of any.
    pub point: Option<Point>,
    /// Which of them.
    pub when: When,
}

/// What came of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Matching calls while it was armed.
    pub asked: u64,
    /// How many of them were told to fail.
    pub failed: u64,
}

/// The plan, spread over atomics. `arm` writes all of it before it sets `on`; a call that overlaps
/// with arming or disarming may see a mixture, which fails a call too many or too few and nothing
/// worse. Tests arm in a quiet moment.
struct Armed {
    on: AtomicBool,
    only: AtomicU8,
    /// Calls from this number on fail; 0: by chance instead.
    first: AtomicU64,
    /// Calls up to this number fail.
    last: AtomicU64,
    chances: AtomicU32,
    seed: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
    hits: [AtomicU64; POINTS],
}

static ARMED: Armed = Armed {
    on: AtomicBool::new(false),
    only: AtomicU8::new(ANY),
    first: AtomicU64::new(0),
    last: AtomicU64::new(0),
    chances: AtomicU32::new(0),
    seed: AtomicU64::new(0),
    asked: AtomicU64::new(0),
    failed: AtomicU64::new(0),
    hits: [const { AtomicU64::new(0) }; POINTS],
};

/// Puts a plan in force in place of the one before. Any context.
pub fn arm(plan: Plan) {
    let state = &ARMED;
    state.on.store(false, Relaxed);
    let (first, last, chances, seed) = match plan.when {
        When::Nth(n) => (n.max(1), n.max(1), 0, 0),
        When::From(n) => (n.max(1), u64::MAX, 0, 0),
        When::PerMillion { chances, seed } => (0, 0, chances, seed),
    };
    state.only.store(plan.point.map_or(ANY, |point| point as u8), Relaxed);
    state.first.store(first, Relaxed);
    state.last.store(last, Relaxed);
    state.chances.store(chances, Relaxed);
    state.seed.store(seed, Relaxed);
    state.asked.store(0, Relaxed);
    state.failed.store(0, Relaxed);
    for count in &state.hits {
        count.store(0, Relaxed);
    }
    state.on.store(true, Relaxed);
}

/// Ends the plan in force and says what came of it. Without a plan: the last one's report. Any
/// context.
pub fn disarm() -> Report {
    ARMED.on.store(false, Relaxed);
    Report { asked: ARMED.asked.load(Relaxed), failed: ARMED.failed.load(Relaxed) }
}

/// How often a point was told to fail since the last [`arm`].
pub fn hits(point: Point) -> u64 {
    ARMED.hits[point as usize].load(Relaxed)
}

/// Whether the caller is to fail here, as if what it is about to ask for were not to be had. Any
/// context.
#[inline(always)]
#[must_use = "a point that ignores the answer cannot fail"]
pub fn should_fail(point: Point) -> bool {
    ARMED.on.load(Relaxed) && decide(point)
}

#[cold]
fn decide(point: Point) -> bool {
    let state = &ARMED;
    let only = state.only.load(Relaxed);
    if only != ANY && only != point as u8 {
        return false;
    }
    let number = state.asked.fetch_add(1, Relaxed) + 1;
    let first = state.first.load(Relaxed);
    let fails = if first == 0 {
        let draw = mix(state.seed.load(Relaxed).wrapping_add(number));
        draw % 1_000_000 < u64::from(state.chances.load(Relaxed))
    } else {
        (first..=state.last.load(Relaxed)).contains(&number)
    };
    if fails {
        state.failed.fetch_add(1, Relaxed);
        state.hits[point as usize].fetch_add(1, Relaxed);
    }
    fails
}

/// Spreads a counter over all 64 bits (the finaliser of SplitMix64), so that neighbours are
/// independent draws.
fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// The plan is global: one test at a time.
    fn alone() -> MutexGuard<'static, ()> {
        static LOCK: Mutex<()> = Mutex::new(());
        LOCK.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(plan: Plan, calls: &[Point]) -> Vec<bool> {
        arm(plan);
        calls.iter().map(|&point| should_fail(point)).collect()
    }

    #[test]
    fn nothing_fails_unarmed() {
        let _alone = alone();
        disarm();
        assert!(!should_fail(Point::Page));
    }

    #[test]
    fn nth_of_one_point_skips_the_others() {
        let _alone = alone();
        let plan = Plan { point: Some(Point::Pid), when: When::Nth(2) };
        let calls = [Point::Pid, Point::Page, Point::Page, Point::Pid, Point::Pid];
        assert_eq!(run(plan, &calls), [false, false, false, true, false]);
        assert_eq!(hits(Point::Pid), 1);
        assert_eq!(hits(Point::Page), 0);
        assert_eq!(disarm(), Report { asked: 3, failed: 1 });
    }

    #[test]
    fn from_never_recovers() {
        let _alone = alone();
        let plan = Plan { point: None, when: When::From(2) };
        let calls = [Point::Page, Point::Task, Point::Pid];
        assert_eq!(run(plan, &calls), [false, true, true]);
        disarm();
    }

    #[test]
    fn chance_repeats_with_its_seed() {
        let _alone = alone();
        let plan = |seed| Plan { point: None, when: When::PerMillion { chances: 250_000, seed } };
        let calls = [Point::Page; 4000];
        let first = run(plan(1), &calls);
        assert_eq!(first, run(plan(1), &calls));
        assert_ne!(first, run(plan(2), &calls));
        let failed = first.iter().filter(|&&f| f).count();
        assert!((800..1200).contains(&failed), "{failed} of 4000");
        disarm();
    }

    #[test]
    fn names_find_their_points() {
        for &point in Point::ALL {
            assert_eq!(Point::from_name(point.name()), Some(point));
        }
        assert_eq!(Point::from_name("nowhere"), None);
    }
}
