//! Timers of both kinds.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use sync::Once;
use time::{HrTimer, JIFFY, Timer};

use crate::tools::{
    PATIENCE, SLACK, cpus, dawdle, ensure, go_anywhere, in_one_of_some_tries, join_all, random,
    spawn,
};

/// A timer of either kind.
pub(crate) enum Either {
    Precise(HrTimer),
    Wheel(Timer),
}

impl Either {
    pub(crate) fn new(precise: bool, function: impl Fn() + Send + Sync + 'static) -> Self {
        if precise {
            Self::Precise(HrTimer::new(function))
        } else {
            Self::Wheel(Timer::new(function))
        }
    }

    pub(crate) fn start(&self, deadline: u64) {
        match self {
            Self::Precise(timer) => timer.start(deadline),
            Self::Wheel(timer) => timer.start(deadline),
        }
    }

    fn cancel(&self) -> bool {
        match self {
            Self::Precise(timer) => timer.cancel(),
            Self::Wheel(timer) => timer.cancel(),
        }
    }

    pub(crate) fn cancel_sync(&self) -> bool {
        match self {
            Self::Precise(timer) => timer.cancel_sync(),
            Self::Wheel(timer) => timer.cancel_sync(),
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Precise(timer) => timer.is_pending(),
            Self::Wheel(timer) => timer.is_pending(),
        }
    }

    /// How late it may be at most, if it was started `away` from its time.
    pub(crate) fn tolerance(&self, away: u64) -> u64 {
        let late = match self {
            Self::Precise(_) => 0,
            Self::Wheel(_) => 2 * JIFFY + away / 7,
        };
        // And whatever keeps its CPU from taking interrupts.
        late + 50 * time::MILLISECOND + PATIENCE
    }
}

/// What a timer's function notes.
#[derive(Default)]
struct Notes {
    deadline: AtomicU64,
    fired: AtomicU64,
    early: AtomicBool,
    inside: AtomicUsize,
    overlapped: AtomicBool,
    /// In the wrong context.
    astray: AtomicBool,
}

impl Notes {
    fn fire(&self, precise: bool) {
        if self.inside.fetch_add(1, SeqCst) != 0 {
            self.overlapped.store(true, SeqCst);
        }
        if time::monotonic() < self.deadline.load(SeqCst) {
            self.early.store(true, SeqCst);
        }
        if sync::in_hardirq() != precise || precise == machine::irq::enabled() {
            self.astray.store(true, SeqCst);
        }
        (0..random(6)).for_each(|_| machine::cpu::relax());
        self.fired.fetch_add(1, SeqCst);
        self.inside.fetch_sub(1, SeqCst);
    }

    fn check(&self) {
        assert!(!self.early.load(SeqCst), "a timer fired early");
        assert!(!self.overlapped.load(SeqCst), "a timer's function ran twice at once");
        assert!(!self.astray.load(SeqCst), "a timer's function ran in the wrong context");
    }
}

fn noting(precise: bool) -> (Arc<Notes>, Either) {
    let notes = Arc::new(Notes::default());
    let theirs = notes.clone();
    (notes, Either::new(precise, move || theirs.fire(precise)))
}

/// A time away: often short, sometimes long.
fn away() -> u64 {
    match random(4) {
        0 => random(3_000),
        1 => random(200_000),
        2 => random(20 * time::MILLISECOND),
        _ => random(400 * time::MILLISECOND),
    }
}

/// Starts, cancels and waits for timers of its own; every one fires once, unless it was cancelled.
fn use_timers(turns: usize, moves: bool) {
    for _ in 0..turns {
        let (notes, timer) = noting(random(2) == 0);
        let mut expected = 0;
        for _ in 0..1 + random(3) {
            if moves && random(2) == 0 {
                go_anywhere();
            }
            let away = away();
            let deadline = time::monotonic() + away;
            notes.deadline.store(deadline, SeqCst);
            timer.start(deadline);
            if random(2) == 0 {
                dawdle();
                if !timer.cancel_sync() {
                    expected += 1;
                }
                assert_eq!(notes.inside.load(SeqCst), 0, "cancel_sync did not wait");
            } else {
                expected += 1;
                let latest = deadline + timer.tolerance(away);
                while notes.fired.load(SeqCst) < expected {
                    assert!(time::monotonic() < latest, "a timer was lost, or came very late");
                    sched::sleep_for(10_000 + away / 4);
                }
                // It has noted, and is perhaps still on its way out.
                timer.cancel_sync();
            }
            assert_eq!(
                notes.fired.load(SeqCst),
                expected,
                "fired after it was cancelled, or twice"
            );
        }
        notes.check();
    }
}

pub(crate) fn never_early_never_lost() {
    join_all((0..3).map(|_| spawn("timers", |_| (use_timers(4, true), 0).1)).collect());
}

pub(crate) fn against_hotplug() {
    let over = Arc::new(AtomicBool::new(false));
    let users: Vec<_> = (0..2).map(|_| spawn("timers", |_| (use_timers(4, true), 0).1)).collect();
    let theirs = over.clone();
    let unplugger = spawn("unplug", move |_| {
        let all = cpus();
        while !theirs.load(SeqCst) && all.len() > 1 {
            let cpu = all[1 + random(all.len() as u64 - 1) as usize];
            hotplug::down(cpu).expect("it is not the last");
            dawdle();
            hotplug::up(cpu).expect("it was there before");
            sched::sleep_for(random(10 * time::MILLISECOND));
        }
        0
    });
    join_all(users);
    over.store(true, SeqCst);
    join_all([unplugger].into_iter().collect());
}

pub(crate) fn started_from_everywhere() {
    for precise in [true, false] {
        let (notes, timer) = noting(precise);
        let timer = Arc::new(timer);
        let starts = Arc::new(AtomicU64::new(0));
        let threads = (0..3)
            .map(|_| {
                let (timer, starts) = (timer.clone(), starts.clone());
                spawn("starter", move |_| {
                    for _ in 0..8 {
                        if random(4) == 0 {
                            timer.cancel();
                        } else {
                            starts.fetch_add(1, SeqCst);
                            timer.start(time::monotonic() + random(10_000));
                        }
                        dawdle();
                    }
                    0
                })
            })
            .collect();
        join_all(threads);
        timer.cancel_sync();
        assert!(!timer.is_pending() && notes.inside.load(SeqCst) == 0);
        let fired = notes.fired.load(SeqCst);
        assert!(fired <= starts.load(SeqCst), "it fired more often than it was started");
        let deadline = time::monotonic() + 10_000;
        notes.deadline.store(deadline, SeqCst);
        timer.start(deadline);
        while notes.fired.load(SeqCst) == fired {
            assert!(time::monotonic() < deadline + timer.tolerance(0), "the timer was lost");
            sched::sleep_for(10_000);
        }
        timer.cancel_sync();
        notes.check();
    }
}

pub(crate) fn cancel_sync_outruns_a_timer_that_starts_itself() {
    for precise in [true, false] {
        let slot: Arc<Once<Either>> = Arc::new(Once::new());
        let notes = Arc::new(Notes::default());
        let (its_slot, its_notes) = (Arc::downgrade(&slot), notes.clone());
        let fresh = slot.set(Either::new(precise, move || {
            its_notes.fire(precise);
            if let Some(slot) = its_slot.upgrade()
                && let Some(timer) = slot.get()
            {
                timer.start(time::monotonic() + random(3_000));
            }
            (0..random(6)).for_each(|_| machine::cpu::relax());
        }));
        assert!(fresh.is_ok());
        let timer = slot.get().expect("it was set just now");
        for _ in 0..4 {
            timer.start(time::monotonic() + random(3_000));
            sched::sleep_for(random(4 * JIFFY));
            timer.cancel_sync();
            let fired = notes.fired.load(SeqCst);
            assert!(!timer.is_pending() && notes.inside.load(SeqCst) == 0);
            sched::sleep_for(random(3 * JIFFY));
            assert_eq!(notes.fired.load(SeqCst), fired, "it fired after cancel_sync");
        }
        notes.check();
    }
}

pub(crate) fn idle_cpus_are_left_alone() {
    in_one_of_some_tries(left_alone);
}

fn left_alone() -> Result<(), String> {
    let all = cpus();
    // What the start has left to do is over.
    sched::sleep_for(SLACK * 10 * time::MILLISECOND);
    let before: Vec<u64> = all.iter().map(|&cpu| machine::irq::counts(cpu).timer).collect();
    sched::sleep_for(2 * time::SECOND);
    let taken: u64 =
        all.iter().zip(before).map(|(&cpu, before)| machine::irq::counts(cpu).timer - before).sum();
    // The sleep's own, and a tick or two of whoever looked after something.
    let most = 20 * SLACK;
    ensure!(taken <= most, "{taken} timer interrupts in two seconds with nothing to do");
    Ok(())
}
