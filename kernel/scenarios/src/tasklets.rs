//! Tasklets.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use softirq::Tasklet;
use time::HrTimer;

use crate::softirqs::wait_for;
use crate::tools::{dawdle, go_anywhere, join_all, random, spawn, unplug_until};

/// A tasklet that notes what goes wrong.
struct Probe {
    inside: AtomicUsize,
    overlapped: AtomicBool,
    /// It must not run now.
    forbidden: AtomicBool,
    trespassed: AtomicBool,
    runs: AtomicU64,
    /// Calls of `schedule` that said it would run.
    promised: AtomicU64,
}

impl Probe {
    fn new() -> (Arc<Self>, Arc<Tasklet>) {
        let probe = Arc::new(Self {
            inside: AtomicUsize::new(0),
            overlapped: AtomicBool::new(false),
            forbidden: AtomicBool::new(false),
            trespassed: AtomicBool::new(false),
            runs: AtomicU64::new(0),
            promised: AtomicU64::new(0),
        });
        let theirs = probe.clone();
        (probe, Arc::new(Tasklet::new(move || theirs.run())))
    }

    fn run(&self) {
        if self.inside.fetch_add(1, SeqCst) != 0 {
            self.overlapped.store(true, SeqCst);
        }
        let check = || {
            if self.forbidden.load(SeqCst) {
                self.trespassed.store(true, SeqCst);
            }
        };
        check();
        (0..random(30)).for_each(|_| machine::cpu::relax());
        check();
        self.runs.fetch_add(1, SeqCst);
        self.inside.fetch_sub(1, SeqCst);
    }

    fn schedule(&self, tasklet: &Tasklet) {
        let promised = if random(2) == 0 { tasklet.schedule() } else { tasklet.schedule_high() };
        self.promised.fetch_add(u64::from(promised), SeqCst);
    }

    /// No scheduling is under way any more. `merged`: one that was scheduled a second time while it turned out to be disabled ran once
    /// for both.
    fn check(&self, tasklet: &Tasklet, merged: u64) {
        wait_for("the tasklet's last run", || {
            let (runs, promised) = (self.runs.load(SeqCst), self.promised.load(SeqCst));
            !tasklet.is_scheduled() && (promised.saturating_sub(merged)..=promised).contains(&runs)
        });
        assert!(!self.overlapped.load(SeqCst), "a tasklet ran on two CPUs at once");
        assert!(!self.trespassed.load(SeqCst), "a disabled or killed tasklet ran");
    }
}

/// Threads that schedule a tasklet from all CPUs, and from interrupts.
fn schedulers(probe: &Arc<Probe>, tasklet: &Arc<Tasklet>, turns: usize) -> Vec<kthread::Handle> {
    (0..3)
        .map(|_| {
            let (probe, tasklet) = (probe.clone(), tasklet.clone());
            spawn("scheduler", move |_| {
                let (its_probe, its_tasklet) = (probe.clone(), tasklet.clone());
                let timer = HrTimer::new(move || its_probe.schedule(&its_tasklet));
                for _ in 0..turns {
                    if random(3) == 0 {
                        timer.start(time::monotonic() + random(20_000));
                    } else {
                        probe.schedule(&tasklet);
                    }
                    if random(4) == 0 {
                        go_anywhere();
                    }
                    dawdle();
                }
                timer.cancel_sync();
                0
            })
        })
        .collect()
}

pub(crate) fn a_tasklet_runs_on_one_cpu() {
    let (probe, tasklet) = Probe::new();
    join_all(schedulers(&probe, &tasklet, 10));
    probe.check(&tasklet, 0);
    assert!(probe.runs.load(SeqCst) > 0);
}

pub(crate) fn disable_and_kill_against_schedule() {
    const DISABLED: u64 = 6;
    let (probe, tasklet) = Probe::new();
    let threads = schedulers(&probe, &tasklet, 8);
    for _ in 0..DISABLED {
        dawdle();
        let disabled = tasklet.disable();
        probe.forbidden.store(true, SeqCst);
        dawdle();
        probe.forbidden.store(false, SeqCst);
        drop(disabled);
    }
    dawdle();
    tasklet.kill();
    probe.forbidden.store(true, SeqCst);
    join_all(threads);
    assert!(!tasklet.schedule(), "a killed tasklet was scheduled");
    probe.check(&tasklet, DISABLED);
    // One that is held when it is dropped does not run when it is enabled.
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let tasklet = Tasklet::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    let disabled = tasklet.disable();
    assert!(tasklet.schedule());
    dawdle();
    drop(tasklet);
    drop(disabled);
    dawdle();
    assert_eq!(runs.load(SeqCst), 0, "a dropped tasklet ran");
}

pub(crate) fn tasklets_against_hotplug() {
    let over = Arc::new(AtomicBool::new(false));
    let unplugger = unplug_until(&over);
    let (probe, tasklet) = Probe::new();
    join_all(schedulers(&probe, &tasklet, 6));
    // Held while its CPU goes, and let go afterwards.
    for _ in 0..2 {
        let disabled = tasklet.disable();
        go_anywhere();
        probe.schedule(&tasklet);
        dawdle();
        drop(disabled);
    }
    over.store(true, SeqCst);
    join_all([unplugger].into_iter().collect());
    // What was on its way to run on another CPU as it was disabled runs once for both.
    probe.check(&tasklet, 2);
    // One that is dropped with a run to come holds nothing back.
    probe.schedule(&tasklet);
}
