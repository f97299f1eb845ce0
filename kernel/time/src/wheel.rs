//! The timer wheel: buckets of time-outs.
//!
//! There are nine levels of 64 buckets. A bucket of level 0 stands for one jiffy, of each further level for eight times as many.
//! A timer goes into the level in which its time is less than 63 buckets away, and into the bucket that begins at its time or
//! after it: never early, and late by an eighth of its time at most. It stays in that bucket until it is cancelled or the
//! bucket's time comes; nothing is ever moved down a level.
//!
//! ```text
//!   level   0          1          2         …   8
//!   bucket  4 ms       32 ms      256 ms        18.6 hours
//!   up to   252 ms     2 s        16 s          49 days; later ones are put in again when that comes
//! ```
//!
//! `clock` is the first jiffy whose buckets have not been emptied. At a jiffy that is a multiple of eight the level above has a bucket
//! that begins there, too, and so on up.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use errno::Errno;
use machine::CpuId;
use sync::{Linked, List};

use crate::clock::JIFFY;
use crate::core::Core;

const LEVELS: usize = 9;
/// Buckets of a level, and the bits of a bucket's number.
const BUCKETS: u64 = 64;
/// log2 of how many buckets of one level make one of the next.
const STEP: u32 = 3;
/// A timer this many buckets away goes a level higher. With one more, the bucket of a clock that is between two could be met
/// from behind.
const REACH: u64 = BUCKETS - 1;

/// A jiffy that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// A timer in a wheel.
pub(crate) type Spoke = Core<Links>;
type Bucket = List<Spoke>;

/// A timer's place in a wheel.
#[derive(Default)]
pub(crate) struct Links {
    links: sync::Links<Spoke>,
    /// The first jiffy at which it may fire. Changed under the lock of its wheel, as is the next.
    expires: AtomicU64,
    /// The number of its bucket.
    bucket: AtomicUsize,
}

impl Linked for Spoke {
    fn links(&self) -> &sync::Links<Self> {
        &self.links.links
    }
}

/// The first jiffy that begins at or after a time in nanoseconds.
fn jiffy_after(deadline: u64) -> u64 {
    deadline.div_ceil(JIFFY)
}

/// The jiffy that has begun at a time in nanoseconds.
pub(crate) fn jiffy_at(now: u64) -> u64 {
    now / JIFFY
}

/// The bits of a jiffy that a level does not look at.
const fn shift(level: usize) -> u32 {
    level as u32 * STEP
}

/// One CPU's wheel.
pub(crate) struct Wheel {
    /// All levels', one after the other.
    buckets: Vec<Bucket>,
    /// A bit for each bucket that is not empty.
    occupied: [u64; LEVELS],
    clock: u64,
    /// Nothing fires before this jiffy. Not later than any bucket that is not empty; earlier if one was emptied by cancelling.
    next: u64,
    /// Buckets are being emptied.
    pub(crate) turning: bool,
}

impl Wheel {
    /// Without buckets, until [`prepare`](Self::prepare).
    pub(crate) const fn new() -> Self {
        Self { buckets: Vec::new(), occupied: [0; LEVELS], clock: 0, next: NEVER, turning: false }
    }

    /// Buckets for a wheel, all empty.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn buckets() -> Result<Vec<Bucket>, Errno> {
        let count = LEVELS * BUCKETS as usize;
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        buckets.resize_with(count, List::new);
        Ok(buckets)
    }

    /// Takes over the buckets, if it has none; gives back what it does not need.
    pub(crate) fn prepare(&mut self, buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
        if !self.buckets.is_empty() {
            return Some(buckets);
        }
        self.buckets = buckets;
        None
    }

    /// The first jiffy at which something may fire.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Puts a timer in that fires at a time in nanoseconds or after; `now` is the jiffy that has begun. Gives it back if it is in a wheel
    /// already.
    pub(crate) fn insert(
        &mut self,
        timer: Arc<Spoke>,
        deadline: u64,
        now: u64,
    ) -> Result<(), Arc<Spoke>> {
        // Up to the present, but past nothing that has not fired: the nearer the clock, the finer the bucket. While buckets are being
        // emptied, `next` is theirs and behind the clock, which stands.
        self.clock = self.clock.max(now.min(self.next));
        self.put(timer, jiffy_after(deadline))
    }

    fn put(&mut self, timer: Arc<Spoke>, expires: u64) -> Result<(), Arc<Spoke>> {
        let (level, slot) = place(self.clock, expires);
        let (bit, number) = bucket(level, slot);
        let links = timer.clone();
        self.buckets[number].push_back(timer)?;
        links.links.expires.store(expires, Relaxed);
        links.links.bucket.store(number, Relaxed);
        self.occupied[level] |= bit;
        self.next = self.next.min(slot << shift(level));
        Ok(())
    }

    /// Takes a timer out; None if it is not in this wheel.
    pub(crate) fn remove(&mut self, timer: &Spoke) -> Option<Arc<Spoke>> {
        let number = timer.links.bucket.load(Relaxed);
        let bucket = &mut self.buckets[number];
        let removed = bucket.remove(timer)?;
        if bucket.is_empty() {
            self.occupied[number / BUCKETS as usize] &= !(1 << (number % BUCKETS as usize));
        }
        Some(removed)
    }

    /// Turns the wheel to its next bucket, if that is not after `now`, and returns the jiffy to be emptied. To be followed by
    /// [`pop_due`](Self::pop_due) until that gives nothing.
    pub(crate) fn turn(&mut self, now: u64) -> Option<u64> {
        if self.next > now {
            return None;
        }
        let jiffy = self.next.max(self.clock);
        self.clock = jiffy + 1;
        Some(jiffy)
    }

    fn pop(&mut self, number: usize) -> Option<Arc<Spoke>> {
        let popped = self.buckets[number].pop_front();
        if self.buckets[number].is_empty() {
            self.occupied[number / BUCKETS as usize] &= !(1 << (number % BUCKETS as usize));
        }
        popped
    }

    /// Takes the first timer out of the buckets that begin at a jiffy, to be run; those that were too far away for the wheel are
    /// put in again.
    pub(crate) fn pop_due(&mut self, jiffy: u64) -> Option<Arc<Spoke>> {
        for level in 0..LEVELS {
            let slot = jiffy >> shift(level);
            if slot << shift(level) != jiffy {
                break;
            }
            let (_, number) = bucket(level, slot);
            while let Some(timer) = self.buckets[number].front() {
                let expires = timer.links.expires.load(Relaxed);
                if expires <= jiffy {
                    timer.now_running();
                    return self.pop(number);
                }
                if let Some(timer) = self.pop(number) {
                    // Its links have just been given back; if somebody else has got them, it is started elsewhere.
                    let _ = self.put(timer, expires);
                }
            }
        }
        self.next = self.find_next();
        None
    }

    /// Takes out any timer at all, to be queued on CPU `new`, with its time in nanoseconds: for emptying the wheel of a CPU that has
    /// gone.
    pub(crate) fn pop_any(&mut self, new: CpuId) -> Option<(Arc<Spoke>, u64)> {
        let level = self.occupied.iter().position(|&level| level != 0)?;
        let number = level * BUCKETS as usize + self.occupied[level].trailing_zeros() as usize;
        let timer = self.buckets[number].front()?;
        timer.now_queued_on(new);
        let expires = timer.links.expires.load(Relaxed);
        self.pop(number).map(|timer| (timer, expires.saturating_mul(JIFFY)))
    }

    /// The jiffy at which the first bucket begins that is not empty.
    fn find_next(&self) -> u64 {
        let begin = |(level, &occupied): (usize, &u64)| {
            // The bucket in which the clock is has been emptied, unless the clock is at its beginning: it stands for a time to come.
            let first = self.clock.div_ceil(1 << shift(level));
            let ahead = occupied.rotate_right((first % BUCKETS) as u32).trailing_zeros();
            (first + u64::from(ahead)) << shift(level)
        };
        let occupied = self.occupied.iter().enumerate().filter(|&(_, &occupied)| occupied != 0);
        occupied.map(begin).min().unwrap_or(NEVER)
    }
}

/// The bit of a level's bucket, and its number among all.
fn bucket(level: usize, slot: u64) -> (u64, usize) {
    let place = slot % BUCKETS;
    (1 << place, level * BUCKETS as usize + place as usize)
}

/// The level, and the bucket of that level counted from the beginning of time, for a timer.
fn place(clock: u64, expires: u64) -> (usize, u64) {
    let expires = expires.max(clock);
    let away = expires - clock;
    for level in 0..LEVELS {
        if away < REACH << shift(level) {
            return (level, expires.div_ceil(1 << shift(level)));
        }
    }
    // As far away as there are buckets.
    (LEVELS - 1, (clock >> shift(LEVELS - 1)) + REACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel() -> Wheel {
        let mut wheel = Wheel::new();
        assert!(wheel.prepare(Wheel::buckets().expect("there is memory")).is_none());
        wheel
    }

    fn timer() -> Arc<Spoke> {
        Arc::new(Core::new(|| ()))
    }

    /// Turns the wheel up to a jiffy; what fires, and when.
    fn fire(wheel: &mut Wheel, now: u64, fired: &mut Vec<(Arc<Spoke>, u64)>) {
        while let Some(jiffy) = wheel.turn(now) {
            while let Some(timer) = wheel.pop_due(jiffy) {
                timer.has_run();
                fired.push((timer, jiffy));
            }
        }
    }

    #[test]
    fn never_early_and_late_by_an_eighth_at_most() {
        for clock in [0, 1, 7, 8, 9, 63, 64, 511, 512, 12_345, 0xffff_ffff] {
            for away in
                [0, 1, 62, 63, 64, 65, 503, 504, 505, 4_000, 32_255, 32_256, 1 << 20, 1 << 26]
            {
                let (level, slot) = place(clock, clock + away);
                let begins = slot << shift(level);
                assert!(begins >= clock + away, "{away} from {clock} is early");
                assert!(begins - (clock + away) <= away / 7, "{away} from {clock} is late");
                // Neither behind the clock nor so far ahead that the clock's own bucket is met.
                let at = clock >> shift(level);
                assert!(slot - at <= BUCKETS && slot >= at);
            }
        }
    }

    #[test]
    fn every_timer_fires_once_at_its_bucket() {
        let mut state = 3u64;
        let mut draw = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        let mut wheel = wheel();
        let (mut now, mut waiting, mut fired) = (0, Vec::new(), Vec::new());
        for _ in 0..3_000 {
            let timer = timer();
            let reach = 1 << draw(18);
            let expires = now + draw(reach);
            assert!(wheel.insert(timer.clone(), expires * JIFFY, now).is_ok());
            waiting.push((timer, expires));
            if draw(3) == 0 {
                let (gone, _) = waiting.swap_remove(draw(waiting.len() as u64) as usize);
                assert!(wheel.remove(&gone).is_some());
            }
            now += draw(60);
            fire(&mut wheel, now, &mut fired);
            for (timer, jiffy) in fired.drain(..) {
                let place = waiting.iter().position(|(one, _)| Arc::ptr_eq(one, &timer));
                let (_, expires) =
                    waiting.swap_remove(place.expect("it fired twice, or after it was cancelled"));
                assert!(jiffy >= expires && jiffy <= now);
            }
            assert!(waiting.iter().all(|&(_, expires)| expires + 262_144 / 7 > now));
        }
        fire(&mut wheel, now + (1 << 19), &mut fired);
        assert_eq!(fired.len(), waiting.len());
        assert_eq!(wheel.next(), NEVER);
    }

    /// Who is started while something is due, and has not fired yet, does not move the clock past it.
    #[test]
    fn w03_a_late_turn_passes_nothing() {
        let mut wheel = wheel();
        assert!(wheel.insert(timer(), 10 * JIFFY, 0).is_ok());
        assert!(wheel.insert(timer(), 30 * JIFFY, 20).is_ok());
        let mut fired = Vec::new();
        fire(&mut wheel, 20, &mut fired);
        assert_eq!((fired.len(), wheel.next()), (1, 30));
        fire(&mut wheel, 30, &mut fired);
        assert_eq!((fired.len(), wheel.next()), (2, NEVER));
    }

    #[test]
    fn beyond_the_last_level_it_goes_round_again() {
        let mut wheel = wheel();
        let far = 200_u64 << shift(LEVELS - 1);
        assert!(wheel.insert(timer(), far * JIFFY, 0).is_ok());
        let mut fired = Vec::new();
        fire(&mut wheel, far - 1, &mut fired);
        assert!(fired.is_empty(), "a timer fired early");
        fire(&mut wheel, far * 2, &mut fired);
        assert_eq!(fired.len(), 1);
    }
}
