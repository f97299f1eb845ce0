//! How a seed likes its interleavings.
//!
//! A uniformly random choice at every step finds few of the races there are: some need two switches
//! at exact places and quiet everywhere else, some need one CPU to be held up for a long time, some
//! need an interrupt in a window of two instructions. So each seed first draws a temper, and the
//! temper draws the steps.

use core::cell::Cell;

use contract::{CpuId, MAX_CPUS};

use crate::random::Random;

/// The order in which CPUs get to run.
#[derive(Debug)]
enum Temper {
    /// Long stretches; a CPU is left after about `stretch` points.
    Steady { stretch: u64 },
    /// Any CPU at every few points.
    Uniform { stretch: u64 },
    /// Quiet for `quiet` points, then `burst` points with a choice at each.
    Bursty { quiet: u64, burst: u64, left: Cell<u64> },
    /// The CPU of the highest priority runs as long as it can; at a few chosen points it falls to
    /// the lowest. Finds each bug of few ordering constraints with a good chance (probabilistic
    /// concurrency testing).
    Priorities {
        rank: [Cell<u32>; MAX_CPUS],
        lowest: Cell<u32>,
        highest: Cell<u32>,
        changes: Vec<Cell<u64>>,
    },
}

/// What a seed has drawn for its run.
#[derive(Debug)]
pub(crate) struct Strategy {
    temper: Temper,
    /// Nanoseconds that a point costs. Few enough that waking and switching to a task takes less
    /// than a microsecond: a task that sleeps for one again and again leaves the others something.
    pub(crate) step: u64,
    /// The chance, of 256, that a pending interrupt is taken at a decision.
    pub(crate) promptness: u32,
    /// The most points that pass between an interrupt coming in and the next decision.
    pub(crate) patience: u64,
    /// The chance, of 256, that a timer fires late, and how late at most, in nanoseconds.
    pub(crate) lateness: (u32, u64),
    /// The chance, of 256, at a decision that a CPU is held up, and for how long at most, in
    /// nanoseconds.
    pub(crate) hold_up: (u32, u64),
}

impl Strategy {
    /// Draws a strategy.
    pub(crate) fn draw(random: &Random, cpus: usize) -> Self {
        let temper = match random.below(8) {
            0 | 1 => Temper::Steady { stretch: random.magnitude(8, 2000) },
            2 | 3 => Temper::Uniform { stretch: random.magnitude(1, 6) },
            4 | 5 => Temper::Bursty {
                quiet: random.magnitude(8, 4000),
                burst: random.magnitude(4, 200),
                left: Cell::new(0),
            },
            _ => Temper::priorities(random, cpus),
        };
        let often_none = |chance: u64, most: u64| {
            if random.chance(128) { (0, 1) } else { (chance as u32, random.magnitude(1000, most)) }
        };
        Self {
            temper,
            step: random.magnitude(1, 32),
            promptness: [256, 256, 128, 24][random.below(4) as usize],
            patience: random.magnitude(1, 2000),
            lateness: often_none(random.magnitude(8, 255), 2_000_000),
            hold_up: often_none(random.magnitude(1, 16), 500_000),
        }
    }

    /// How many points pass until the next decision.
    pub(crate) fn gap(&self, random: &Random) -> u64 {
        match &self.temper {
            Temper::Steady { stretch } => random.below(stretch.min(&64) * 2),
            Temper::Uniform { stretch } => random.below(stretch * 2),
            Temper::Bursty { quiet, burst, left } => match left.get() {
                0 => {
                    left.set(1 + random.below(burst * 2));
                    random.below(quiet * 2)
                }
                more => {
                    left.set(more - 1);
                    0
                }
            },
            Temper::Priorities { .. } => random.below(16),
        }
    }

    /// Which CPU of `others`, which is not empty, goes on in place of this one. `None`: this one
    /// goes on. `points` is the count since boot.
    pub(crate) fn turn(
        &self,
        random: &Random,
        this: CpuId,
        others: u32,
        points: u64,
    ) -> Option<CpuId> {
        match &self.temper {
            Temper::Steady { stretch } => {
                // Decisions come every min(stretch, 64) points on the average.
                let goes = random.below(*stretch) < *stretch.min(&64);
                goes.then(|| random.bit_of(others))
            }
            Temper::Uniform { .. } | Temper::Bursty { .. } => {
                let goes = random.below(u64::from(others.count_ones()) + 1) != 0;
                goes.then(|| random.bit_of(others))
            }
            Temper::Priorities { rank, changes, .. } => {
                if let Some(change) = changes.iter().find(|change| change.get() <= points) {
                    change.set(u64::MAX);
                    self.demote(this);
                }
                let best = self.best(others);
                (rank[best].get() > rank[this].get()).then_some(best)
            }
        }
    }

    /// The running CPU cannot or should not go on: who does? It is one of `others`.
    pub(crate) fn leave(&self, random: &Random, this: CpuId, others: u32) -> CpuId {
        self.demote(this);
        self.pick(random, others)
    }

    /// Who goes on of `others`, now that the running CPU has nothing to do?
    pub(crate) fn pick(&self, random: &Random, others: u32) -> CpuId {
        match &self.temper {
            Temper::Priorities { .. } => self.best(others),
            _ => random.bit_of(others),
        }
    }

    /// The CPU rises above all others, where there are priorities.
    pub(crate) fn promote(&self, cpu: CpuId) {
        if let Temper::Priorities { rank, highest, .. } = &self.temper {
            highest.set(highest.get() + 1);
            rank[cpu].set(highest.get());
        }
    }

    /// The CPU falls below all others, where there are priorities.
    fn demote(&self, cpu: CpuId) {
        if let Temper::Priorities { rank, lowest, .. } = &self.temper {
            lowest.set(lowest.get() - 1);
            rank[cpu].set(lowest.get());
        }
    }

    /// The CPU of the highest priority.
    fn best(&self, cpus: u32) -> CpuId {
        let Temper::Priorities { rank, .. } = &self.temper else {
            return cpus.trailing_zeros() as usize;
        };
        (0..MAX_CPUS)
            .filter(|cpu| cpus & (1 << cpu) != 0)
            .max_by_key(|&cpu| rank[cpu].get())
            .unwrap_or(0)
    }
}

impl Temper {
    fn priorities(random: &Random, cpus: usize) -> Self {
        let rank = core::array::from_fn(|_| Cell::new(0));
        // A random order: each CPU in turn goes in at a random place.
        let mut order: Vec<usize> = Vec::new();
        for cpu in 0..cpus {
            order.insert(random.below(order.len() as u64 + 1) as usize, cpu);
        }
        const MIDDLE: u32 = 1 << 31;
        for (place, cpu) in order.into_iter().enumerate() {
            rank[cpu].set(MIDDLE + place as u32);
        }
        let horizon = random.magnitude(50, 200_000);
        let changes = (0..1 + random.below(8)).map(|_| Cell::new(random.below(horizon))).collect();
        Self::Priorities {
            rank,
            lowest: Cell::new(MIDDLE),
            highest: Cell::new(MIDDLE + MAX_CPUS as u32),
            changes,
        }
    }
}
