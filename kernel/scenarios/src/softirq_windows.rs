//! Softirqs that nothing comes along to serve.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use kthread::Builder;
use machine::CpuId;
use machine::preempt::NO_RESCHED;
use sched::{Completion, CpuMask};
use softirq::{BottomHalfGuard, Vector};
use sync::{IrqGuard, Once, PreemptGuard};

use crate::softirqs::{SERVED_OURS, WANTED, open, raise_ours, wait_for};
use crate::tools::{PATIENCE, any_but_the_first, cpus, join_all, random};

/// A task with interrupts off raises, perhaps in a section with softirqs off that ends before they are on again, and goes to sleep: that is served at once, and not when some interrupt comes by. What a CPU's
/// timer was last set to may come at any moment, so one wait says nothing; of several, most are short.
pub(crate) fn raised_with_nobody_about() {
    static OPENED: Once<()> = Once::new();
    static SERVED: Completion = Completion::new();
    if OPENED.set(()).is_ok() {
        softirq::open(Vector::IrqPoll, || SERVED.complete());
    }
    for in_section in [false, true] {
        let mut waits: Vec<u64> = (0..25)
            .map(|_| {
                sched::sleep_for(random(20 * time::MILLISECOND));
                let raised = time::monotonic();
                {
                    let _irqs_off = IrqGuard::new();
                    let _softirqs_off = in_section.then(BottomHalfGuard::new);
                    softirq::raise(Vector::IrqPoll);
                }
                SERVED.wait();
                time::monotonic() - raised
            })
            .collect();
        waits.sort_unstable();
        assert!(
            waits[12] < time::MILLISECOND + PATIENCE,
            "served when an interrupt came by, {in_section}: {waits:?}"
        );
    }
}

/// A CPU goes while a task there raises with preemption off, so that ksoftirqd, which is parked already, cannot serve it.
pub(crate) fn raised_as_its_cpu_goes() {
    open();
    let all = cpus();
    let Some(cpu) = any_but_the_first(&all) else { return };
    for _ in 0..4 {
        let raiser = until_it_goes(cpu, raise_ours);
        sched::sleep_for(random(20_000));
        hotplug::down(cpu).expect("it is not the last");
        join_all(alloc::vec![raiser]);
        wait_for("raised on a CPU that has gone", || WANTED.load(SeqCst) == 0);
        hotplug::up(cpu).expect("it was there before");
    }
}

/// A CPU goes, leaves behind what it has raised last, and no interrupt comes to the one that takes it over: that is served at once. Mostly
/// the interrupt that tells the CPU to go serves it there: hence so many turns.
pub(crate) fn taken_over_with_nobody_about() {
    // The next tick would serve it, after four.
    const LATEST: u64 = 2 * time::MILLISECOND + PATIENCE;
    open();
    let all = cpus();
    let Some(cpu) = any_but_the_first(&all) else { return };
    for _ in 0..12 {
        let raiser = until_it_goes(cpu, || {
            // Right before the stopper has the CPU: that will have been the last time.
            let until = time::monotonic() + 100 * time::MICROSECOND;
            let is_wanted = || machine::cpu::preempt_count() & NO_RESCHED == 0;
            while !is_wanted() && time::monotonic() < until {
                machine::cpu::relax();
            }
            raise_ours();
        });
        sched::sleep_for(random(20_000));
        hotplug::down(cpu).expect("it is not the last");
        let gone = time::monotonic();
        SERVED_OURS.wait(|| WANTED.load(SeqCst) == 0);
        assert!(time::monotonic() - gone < LATEST, "it was served when an interrupt came by");
        join_all(alloc::vec![raiser]);
        hotplug::up(cpu).expect("it was there before");
    }
}

/// A thread that does something again and again, with preemption off, until its CPU goes.
pub(crate) fn until_it_goes(cpu: CpuId, act: impl Fn() + Send + 'static) -> kthread::Handle {
    Builder::new(format_args!("raiser"))
        .bound_to(CpuMask::of(cpu))
        .run(move |_| {
            loop {
                let _here = PreemptGuard::new();
                if machine::cpu::id() != cpu {
                    return 0;
                }
                (0..random(20)).for_each(|_| machine::cpu::relax());
                act();
            }
        })
        .expect("a thread can be made")
}
