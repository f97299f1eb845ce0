//! The watch for hung tasks in the moments between two states of who is watched.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use kthread::{Builder, Exit};
use sched::{Attributes, Sleep};
use time::SECOND;
use watchdog::hung_task;

use crate::lockups::victim;
use crate::tools::{PATIENCE, cpus, random, spin_until};
use crate::watchers::{HungTaskWatch, LogTail, blocked, release, sleeper};

/// Seconds of sleep after which a task counts as hung here.
const SHORT: u64 = 1;

/// One that has run for long without a switch, and falls asleep at the very moment of a look, has slept for that moment.
#[cfg(not(target_os = "none"))]
pub(crate) fn long_run_is_no_sleep() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(SHORT, -1);
    for _ in 0..3 {
        let until = time::monotonic() + SHORT * SECOND + SECOND / 2;
        let thread = Builder::new(format_args!("sleeper"))
            .cpu(victim())
            .run(move |_| {
                let not_yet = sched::Completion::new();
                spin_until(until);
                for _ in 0..8 {
                    // Until its time is up, a very short time.
                    let deadline = Some(time::monotonic() + random(3_000));
                    let _ = not_yet.wait_as(Sleep::Uninterruptible, deadline);
                }
                0
            })
            .expect("a thread can be made");
        sched::sleep_until(until.saturating_sub(random(2_000)));
        while !thread.has_ended() {
            hung_task::set_timeout(SHORT as i64);
            sched::sleep_for(random(1_000));
        }
        assert_eq!(thread.join(), Exit::Returned(0));
    }
    assert_eq!(log.count("INFO: task sleeper"), 0, "{:#?}", log.lines());
    drop(watch);
}

/// One that is kept from running while it is on its way to sleep does not sleep.
pub(crate) fn on_its_way_is_not_asleep() {
    if cpus().len() == 1 {
        // Nobody looks while somebody else has the only CPU.
        return;
    }
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(SHORT, -1);
    let (period, runtime) = sched::rt_bandwidth();
    sched::set_rt_bandwidth(period, None).expect("there is a period");
    let (ready, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (says, seen) = (ready.clone(), over.clone());
    let thread = Builder::new(format_args!("sleeper"))
        .cpu(victim())
        .run(move |_| {
            sched::set_current_state(sched::state::UNINTERRUPTIBLE);
            says.store(true, Ordering::SeqCst);
            while !seen.load(Ordering::SeqCst) {
                machine::cpu::relax();
            }
            sched::set_current_running();
            0
        })
        .expect("a thread can be made");
    while !ready.load(Ordering::SeqCst) {
        sched::sleep_for(10_000);
    }
    let hog = Builder::new(format_args!("hog"))
        .cpu(victim())
        .attributes(Attributes { policy: sched::Policy::Fifo, priority: 50, ..Attributes::NORMAL })
        .run(|_| {
            spin_until(time::monotonic() + 2 * SHORT * SECOND + SECOND);
            0
        })
        .expect("a thread can be made");
    assert_eq!(hog.join(), Exit::Returned(0));
    over.store(true, Ordering::SeqCst);
    assert_eq!(thread.join(), Exit::Returned(0));
    sched::set_rt_bandwidth(period, runtime).expect("it was so before");
    assert_eq!(log.count("INFO: task sleeper"), 0, "{:#?}", log.lines());
    drop(watch);
}

/// Settings that change while the daemon looks at the old ones, or sees by them who is hung, count.
pub(crate) fn settings_change_during_a_look() {
    const LONG: i64 = 100_000;
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(SHORT, -1);
    let sleeping = sleeper(Sleep::Uninterruptible);
    let line = blocked(&sleeping.0);
    for _ in 0..6 {
        let before = log.count(&line);
        hung_task::set_timeout(if random(4) == 0 { 0 } else { LONG });
        (0..random(200)).for_each(|_| machine::cpu::relax());
        hung_task::set_timeout(SHORT as i64);
        sched::sleep_for(SHORT * SECOND + SECOND / 2);
        // Forgotten, it would be looked at again after the long time only.
        let deadline = time::monotonic() + PATIENCE;
        while log.count(&line) <= before && time::monotonic() < deadline {
            sched::sleep_for(SECOND / 4);
        }
        assert!(log.count(&line) > before, "nobody looked after the timeout was set");
    }
    release(sleeping);
    drop(watch);
}
