//! The load average: how many tasks run, want to run, or wait uninterruptibly, smoothed over 1, 5 and 15 minutes.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::runqueue::RUN_QUEUES;

/// Between samples, in nanoseconds.
const PERIOD: u64 = 5 * time::SECOND;
/// Fixed-point 1.
const ONE: u64 = 1 << 11;
/// `ONE` times e to the power of minus 5 s over the three spans.
const DECAY: [u64; 3] = [1884, 2014, 2037];

static NEXT_SAMPLE: AtomicU64 = AtomicU64::new(PERIOD);
static AVERAGES: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// At every tick, on whichever CPU: takes the samples that are due. Those missed while all CPUs were idle count as 0 but for the last.
pub(crate) fn at_tick(now: u64) {
    let due = NEXT_SAMPLE.load(Relaxed);
    if now < due {
        return;
    }
    let missed = (now - due) / PERIOD;
    let next = due + (missed + 1) * PERIOD;
    if NEXT_SAMPLE.compare_exchange(due, next, Relaxed, Relaxed).is_err() {
        return;
    }
    let active: i64 = RUN_QUEUES
        .iter()
        .enumerate()
        .map(|(cpu, shared)| shared.queue.lock_irq().active(cpu))
        .sum();
    let active = active.max(0) as u64 * ONE;
    for (average, decay) in AVERAGES.iter().zip(DECAY) {
        let mut value = average.load(Relaxed);
        for _ in 0..missed.min(200) {
            value = value * decay / ONE;
        }
        let mut sample = value * decay + active * (ONE - decay);
        if active >= value {
            sample += ONE - 1;
        }
        average.store(sample / ONE, Relaxed);
    }
}

/// The averages over 1, 5 and 15 minutes, in hundredths.
pub fn load_average() -> [u64; 3] {
    core::array::from_fn(|i| (AVERAGES[i].load(Relaxed) * 100 + ONE / 2) / ONE)
}

/// How many tasks run or want to, now.
pub fn runnable() -> u32 {
    RUN_QUEUES.iter().map(|shared| shared.runnable.load(Relaxed)).sum()
}

/// The change in uninterruptible sleepers is per CPU; only the sum means anything.
pub fn uninterruptible() -> i64 {
    RUN_QUEUES.iter().map(|shared| shared.queue.lock_irq().uninterruptible).sum()
}
