//! Moving running threads, and stopping the machine.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use errno::Errno;
use kthread::Exit;
use sched::{CpuMask, stopper};
use sync::PreemptGuard;

use crate::tools::{cpus, dawdle, join_all, random, spawn};

pub(crate) fn moves_a_running_thread() {
    let over = Arc::new(AtomicBool::new(false));
    let runs = Arc::new(AtomicBool::new(false));
    let (seen, told) = (over.clone(), runs.clone());
    let runner = spawn("runner", move |_| {
        told.store(true, Ordering::SeqCst);
        while !seen.load(Ordering::SeqCst) {
            machine::cpu::relax();
        }
        0
    });
    while !runs.load(Ordering::SeqCst) {
        sched::sleep_for(10_000);
    }
    let all = cpus();
    for _ in 0..4 {
        let cpu = all[random(all.len() as u64) as usize];
        sched::set_allowed(runner.task(), CpuMask::of(cpu)).expect("the CPU is online");
        assert_eq!(runner.task().cpu(), cpu, "it was not moved when the call returned");
    }
    assert_eq!(sched::set_allowed(runner.task(), CpuMask::NONE), Err(Errno::EINVAL));
    over.store(true, Ordering::SeqCst);
    assert!(matches!(runner.join(), Exit::Returned(0) | Exit::NeverRan));
}

/// No CPU in particular.
const ANY: usize = usize::MAX;

/// Tasks are moved while they are woken, and pulled by idle CPUs: when `set_allowed` has returned they run where they may.
pub(crate) fn moves_what_is_on_its_way() {
    let all = cpus();
    let over = Arc::new(AtomicBool::new(false));
    let settled: Arc<[AtomicUsize]> = (0..4).map(|_| AtomicUsize::new(ANY)).collect();
    let threads: Vec<_> = (0..settled.len())
        .map(|number| {
            let (over, settled) = (over.clone(), settled.clone());
            spawn("wanderer", move |_| {
                let settled = &settled[number];
                while !over.load(Ordering::SeqCst) {
                    if random(2) == 0 {
                        sched::sleep_for(random(2_000));
                    } else {
                        (0..random(12)).for_each(|_| machine::cpu::relax());
                    }
                    let _here = PreemptGuard::new();
                    let before = settled.load(Ordering::SeqCst);
                    let here = machine::cpu::id();
                    let is_settled = before != ANY && settled.load(Ordering::SeqCst) == before;
                    assert!(!is_settled || before == here, "on CPU {here}, and not on {before}");
                }
                0
            })
        })
        .collect();
    for _ in 0..12 {
        let number = random(threads.len() as u64) as usize;
        let task = threads[number].task();
        sched::set_allowed(task, CpuMask::ALL).expect("the CPUs are online");
        (0..random(20)).for_each(|_| machine::cpu::relax());
        let cpu = all[random(all.len() as u64) as usize];
        sched::set_allowed(task, CpuMask::of(cpu)).expect("the CPU is online");
        settled[number].store(cpu, Ordering::SeqCst);
        dawdle();
        settled[number].store(ANY, Ordering::SeqCst);
        if random(2) == 0 {
            sched::set_allowed(task, CpuMask::ALL).expect("the CPUs are online");
        }
    }
    over.store(true, Ordering::SeqCst);
    join_all(threads);
}

/// Tasks that switch all the time are moved in the middle of it: one that has been preempted, and whose CPU still leaves its stack, waits on a
/// queue and is not to be taken from there.
pub(crate) fn moves_what_is_being_preempted() {
    let all = cpus();
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let over = over.clone();
            spawn("switching", move |_| {
                while !over.load(Ordering::SeqCst) {
                    sched::yield_now();
                }
                0
            })
        })
        .collect();
    for _ in 0..40 {
        let cpu = all[random(all.len() as u64) as usize];
        // To one CPU, so that there is somebody to switch to.
        for thread in &threads {
            sched::set_allowed(thread.task(), CpuMask::of(cpu)).expect("the CPU is online");
        }
    }
    over.store(true, Ordering::SeqCst);
    join_all(threads);
}

pub(crate) fn against_exit() {
    let all = cpus();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            spawn("mayfly", |_| {
                dawdle();
                0
            })
        })
        .collect();
    for _ in 0..6 {
        let thread = &threads[random(threads.len() as u64) as usize];
        let cpu = all[random(all.len() as u64) as usize];
        sched::set_allowed(thread.task(), CpuMask::of(cpu)).expect("the CPU is online");
    }
    join_all(threads);
}

pub(crate) fn stop_machine() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    static BROKEN: AtomicBool = AtomicBool::new(false);
    let over = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let over = over.clone();
            spawn("busy", move |_| {
                while !over.load(Ordering::SeqCst) {
                    if INSIDE.load(Ordering::SeqCst) != 0 {
                        BROKEN.store(true, Ordering::SeqCst);
                    }
                    dawdle();
                }
                0
            })
        })
        .collect();
    for _ in 0..3 {
        dawdle();
        stopper::stop_machine(None, || {
            INSIDE.store(1, Ordering::SeqCst);
            (0..50).for_each(|_| machine::cpu::relax());
            INSIDE.store(0, Ordering::SeqCst);
        })
        .expect("all stoppers are there");
    }
    over.store(true, Ordering::SeqCst);
    join_all(busy);
    assert!(!BROKEN.load(Ordering::SeqCst), "a task ran while the machine was stopped");
    assert_eq!(stopper::stop_machine(Some(machine::cpu::count()), || {}), Err(Errno::ENOENT));
}
