//! Timers in the moments when more than one CPU has to do with them.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use kthread::{Builder, Exit};
use sched::{Completion, CpuMask};
use sync::{LockClass, Once, SpinLock};

use crate::timers::Either;
use crate::tools::{SLACK, any_but_the_first, cpus, dawdle, join_all, random, spawn};

static FUNCTIONS_LOCK: LockClass = LockClass::new("scenario.timer");

/// A timer is started by who holds a lock that its function waits for at that moment: starting waits for no function.
pub(crate) fn started_under_its_functions_lock() {
    for precise in [true, false] {
        let lock = Arc::new(SpinLock::new(&FUNCTIONS_LOCK, 0));
        let theirs = lock.clone();
        let timer = Arc::new(Either::new(precise, move || {
            machine::cpu::relax();
            *theirs.lock_irq() += 1;
        }));
        let starters = (0..3)
            .map(|_| {
                let (timer, lock) = (timer.clone(), lock.clone());
                spawn("starter", move |_| {
                    for _ in 0..8 {
                        let held = lock.lock_irq();
                        (0..random(8)).for_each(|_| machine::cpu::relax());
                        timer.start(time::monotonic() + random(2) * random(3_000));
                        drop(held);
                        dawdle();
                    }
                    0
                })
            })
            .collect();
        join_all(starters);
        timer.cancel_sync();
        assert!(*lock.lock_irq() <= 24, "it fired more often than it was started");
    }
}

/// A timer that starts itself is cancelled from another CPU, at every moment of its function's.
pub(crate) fn cancelled_as_it_starts_itself() {
    let all = cpus();
    if all.len() == 1 {
        // There its function has always ended.
        return;
    }
    for precise in [true, false] {
        let slot: Arc<Once<Either>> = Arc::new(Once::new());
        let runs = Arc::new(AtomicU64::new(0));
        let (its_slot, counted) = (Arc::downgrade(&slot), runs.clone());
        let fresh = slot.set(Either::new(precise, move || {
            counted.fetch_add(1, SeqCst);
            (0..random(4)).for_each(|_| machine::cpu::relax());
            if let Some(slot) = its_slot.upgrade()
                && let Some(timer) = slot.get()
            {
                timer.start(time::monotonic() + random(3_000));
            }
            (0..random(4)).for_each(|_| machine::cpu::relax());
        }));
        assert!(fresh.is_ok());
        for _ in 0..8 {
            let first = random(all.len() as u64) as usize;
            let second = (first + 1 + random(all.len() as u64 - 1) as usize) % all.len();
            let (theirs, counted) = (slot.clone(), runs.clone());
            let starter = Builder::new(format_args!("starter"))
                .cpu(all[first])
                .run(move |_| {
                    theirs.get().expect("it was set").start(time::monotonic() + random(3_000));
                    0
                })
                .expect("a thread can be made");
            assert_eq!(starter.join(), Exit::Returned(0));
            let theirs = slot.clone();
            let canceller = Builder::new(format_args!("canceller"))
                .cpu(all[second])
                .run(move |_| {
                    let timer = theirs.get().expect("it was set");
                    let before = counted.load(SeqCst);
                    while counted.load(SeqCst) == before {
                        machine::cpu::relax();
                    }
                    (0..random(6)).for_each(|_| machine::cpu::relax());
                    timer.cancel_sync();
                    let runs = counted.load(SeqCst);
                    assert!(!timer.is_pending(), "it is queued after cancel_sync");
                    (0..random(20)).for_each(|_| machine::cpu::relax());
                    assert_eq!(counted.load(SeqCst), runs, "it runs after cancel_sync");
                    0
                })
                .expect("a thread can be made");
            assert_eq!(canceller.join(), Exit::Returned(0));
        }
    }
}

/// Timers that are due right after their CPU has gone do not wait until something else interrupts the CPU that they came to.
#[cfg(not(target_os = "none"))]
pub(crate) fn due_as_their_cpu_goes() {
    use crate::tools::spin_until;
    use alloc::vec::Vec;
    use time::HrTimer;

    const APART: u64 = 200 * time::MICROSECOND;
    const LATE: u64 = 500 * time::MICROSECOND * SLACK;
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    let fired_at: Arc<[AtomicU64]> = (0..100).map(|_| AtomicU64::new(0)).collect();
    let timers: Arc<[HrTimer]> = (0..fired_at.len())
        .map(|number| {
            let fired_at = fired_at.clone();
            HrTimer::new(move || fired_at[number].store(time::monotonic(), SeqCst))
        })
        .collect();
    let start = time::monotonic() + 100 * time::MICROSECOND;
    let deadline = move |number: usize| start + number as u64 * APART;
    let theirs = timers.clone();
    let starter = Builder::new(format_args!("starter"))
        .cpu(cpu)
        .run(move |_| {
            theirs.iter().enumerate().for_each(|(number, timer)| timer.start(deadline(number)));
            0
        })
        .expect("a thread can be made");
    assert_eq!(starter.join(), Exit::Returned(0));
    hotplug::down(cpu).expect("it is not the last");
    let gone = time::monotonic();
    // Awake, so that nothing starts another timer here.
    spin_until(gone + 3 * time::MILLISECOND);
    let due: Vec<usize> = (0..timers.len())
        .filter(|&number| (gone..gone + 2 * time::MILLISECOND).contains(&deadline(number)))
        .collect();
    let is_late = |number: &&usize| {
        let fired_at = fired_at[**number].load(SeqCst);
        fired_at == 0 || fired_at > deadline(**number) + LATE
    };
    let late = due.iter().filter(is_late).count();
    assert!(
        late * 2 <= due.len(),
        "{late} of {} timers came late after their CPU had gone",
        due.len()
    );
    hotplug::up(cpu).expect("it was there before");
}

/// The CPU of a timer goes, and nobody has another timer: it fires all the same, where its CPU's work went.
pub(crate) fn a_cpu_goes_with_a_timer() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    for precise in [true, false] {
        let fired_at = Arc::new(AtomicU64::new(0));
        let done = Arc::new(Completion::new());
        let (said, told) = (fired_at.clone(), done.clone());
        let timer = Arc::new(Either::new(precise, move || {
            said.store(time::monotonic(), SeqCst);
            told.complete();
        }));
        let away = 100 * time::MILLISECOND + random(100 * time::MILLISECOND);
        let deadline = time::monotonic() + away;
        let theirs = timer.clone();
        let starter = Builder::new(format_args!("starter"))
            .cpu(cpu)
            .run(move |_| {
                theirs.start(deadline);
                0
            })
            .expect("a thread can be made");
        assert_eq!(starter.join(), Exit::Returned(0));
        hotplug::down(cpu).expect("it is not the last");
        let gone = time::monotonic();
        done.wait();
        let latest = deadline.max(gone) + timer.tolerance(away);
        assert!(fired_at.load(SeqCst) <= latest, "a timer was late when its CPU had gone");
        hotplug::up(cpu).expect("it was there before");
        sched::sleep_for(SLACK * time::MILLISECOND);
    }
}

/// A timer that is due again before its function has returned: whatever else there is to do on its CPU gets as much time as the function takes.
#[cfg(not(target_os = "none"))]
pub(crate) fn a_short_period_leaves_time() {
    use crate::tools::spin_until;
    use time::HrTimer;

    let slot: Arc<Once<HrTimer>> = Arc::new(Once::new());
    let used = Arc::new(AtomicU64::new(0));
    let (itself, sum) = (slot.clone(), used.clone());
    let timer = HrTimer::new(move || {
        let begin = time::monotonic();
        spin_until(begin + random(40_000));
        sum.fetch_add(time::monotonic() - begin, SeqCst);
        if let Some(timer) = itself.get() {
            timer.start(begin);
        }
    });
    assert!(slot.set(timer).is_ok());
    let beside = Builder::new(format_args!("beside")).cpu(0).run(move |_| {
        let begin = time::monotonic();
        let Some(timer) = slot.get() else { return 1 };
        timer.start(begin);
        spin_until(begin + 40 * time::MILLISECOND);
        let (used, passed) = (used.load(SeqCst), time::monotonic() - begin);
        timer.cancel_sync();
        assert!(used <= passed / 10 * 6, "the timer took {used} of {passed} ns");
        0
    });
    join_all([beside.expect("a thread can be made")].into());
}

/// A timer is started as its function ends on another CPU, where nothing else goes on: it fires in time, wherever.
pub(crate) fn started_as_its_function_ends() {
    const AWAY: u64 = 20 * time::MILLISECOND;
    let all = cpus();
    let Some(there) = any_but_the_first(&all) else { return };
    let user = Builder::new(format_args!("user")).bound_to(CpuMask::of(0)).run(move |_| {
        for turn in 0..20 {
            let runs = Arc::new(AtomicU64::new(0));
            let fired = Arc::new(Completion::new());
            let (counted, told) = (runs.clone(), fired.clone());
            let timer = Arc::new(Either::new(turn % 2 == 0, move || {
                if counted.fetch_add(1, SeqCst) == 1 {
                    told.complete();
                }
            }));
            let theirs = timer.clone();
            let starter = Builder::new(format_args!("starter"))
                .bound_to(CpuMask::of(there))
                .run(move |_| {
                    theirs.start(time::monotonic() + random(3_000));
                    0
                })
                .expect("a thread can be made");
            while runs.load(SeqCst) == 0 {
                machine::cpu::relax();
            }
            (0..random(12)).for_each(|_| machine::cpu::relax());
            let deadline = time::monotonic() + AWAY;
            timer.start(deadline);
            join_all([starter].into());
            fired.wait();
            let late = time::monotonic().saturating_sub(deadline);
            assert!(late <= timer.tolerance(AWAY), "a timer was {late} ns late");
        }
        0
    });
    join_all([user.expect("a thread can be made")].into());
}
