//! Who runs, and how much.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::array;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kthread::{Builder, Created, Exit, Handle};
use sched::{Attributes, CpuMask, Policy};

use crate::tools::{
    PATIENCE, cpus, dawdle, ensure, in_one_of_some_tries, join_all, random, spawn, spin_until,
};

const FIFO_10: Attributes =
    Attributes { policy: Policy::Fifo, nice: 0, priority: 10, reset_on_fork: false };
const FIFO_20: Attributes = Attributes { priority: 20, ..FIFO_10 };

fn on_cpu_0(attributes: Attributes) -> Builder {
    Builder::new(format_args!("sched_test")).bound_to(CpuMask::of(0)).attributes(attributes)
}

pub(crate) fn classes_in_order() {
    // A host that stops the CPU for a second has the real-time limit let the fair one go first.
    in_one_of_some_tries(run_by_class);
}

fn run_by_class() -> Result<(), String> {
    // The order in which threads of different classes, all runnable at once on CPU 0, get to run.
    let order = Arc::new(AtomicU64::new(0));
    let place = |attributes: Attributes, digit: u64| {
        let order = order.clone();
        let thread = on_cpu_0(attributes)
            .create(move |_| {
                order
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |o| Some(o * 10 + digit))
                    .map_or(1, |_| 0)
            })
            .expect("a thread can be made");
        asleep(thread)
    };
    let fair = place(Attributes::NORMAL, 3);
    let low = place(FIFO_10, 2);
    let high = place(FIFO_20, 1);
    let waker = on_cpu_0(Attributes { priority: 50, ..FIFO_10 })
        .run(move |_| {
            // Above all three: none of them runs before this one ends.
            let threads = [fair.wake(), low.wake(), high.wake()];
            join_all(threads.into_iter().collect());
            0
        })
        .expect("a thread can be made");
    assert_eq!(waker.join(), Exit::Returned(0));
    let order = order.load(Ordering::SeqCst);
    ensure!(order == 123, "they ran in the order {order}");
    Ok(())
}

/// Waits until a new thread is off its CPU. Woken on its way to its first sleep it would still have to come to CPU 0.
fn asleep(thread: Created) -> Created {
    while thread.task().is_queued() || thread.task().is_on_cpu() {
        sched::sleep_for(1_000);
    }
    thread
}

/// A thread that will spin on CPU 0 until told to end, and counts its run time.
fn asleep_spinner(attributes: Attributes, over: &Arc<AtomicBool>) -> Created {
    let over = over.clone();
    let thread = on_cpu_0(attributes).create(move |_| {
        while !over.load(Ordering::SeqCst) {
            machine::cpu::relax();
        }
        0
    });
    asleep(thread.expect("a thread can be made"))
}

/// A thread that spins there.
fn spinner(attributes: Attributes, over: &Arc<AtomicBool>) -> Handle {
    asleep_spinner(attributes, over).wake()
}

fn end(over: &AtomicBool, threads: Vec<Handle>) {
    over.store(true, Ordering::SeqCst);
    for thread in threads {
        assert_eq!(thread.join(), Exit::Returned(0));
    }
}

pub(crate) fn weights() {
    // A host that holds a CPU up gives that time to who ran, who makes up for it: over a long time the shares are right.
    let mut span = 0;
    in_one_of_some_tries(|| {
        span += 400 * time::MILLISECOND;
        share_by_weight(span)
    });
}

fn share_by_weight(span: u64) -> Result<(), String> {
    let over = Arc::new(AtomicBool::new(false));
    let heavy = spinner(Attributes::NORMAL, &over);
    let light = spinner(Attributes { nice: 5, ..Attributes::NORMAL }, &over);
    sched::sleep_for(20 * time::MILLISECOND);
    let start = (heavy.task().times().run, light.task().times().run);
    sched::sleep_for(span);
    let ran = (heavy.task().times().run - start.0, light.task().times().run - start.1);
    end(&over, [heavy, light].into_iter().collect());
    // 1024 to 335: the heavy one's share is 75 %.
    let share = ran.0 * 100 / (ran.0 + ran.1).max(1);
    ensure!((68..=82).contains(&share), "nice 0 got {share} % beside nice 5");
    Ok(())
}

pub(crate) fn round_robin() {
    let over = Arc::new(AtomicBool::new(false));
    let turn_taking = Attributes { policy: Policy::RoundRobin, ..FIFO_10 };
    let pair: Vec<_> = (0..2).map(|_| spinner(turn_taking, &over)).collect();
    let until = time::monotonic() + 700 * time::MILLISECOND;
    let ran = || pair.iter().map(|thread| thread.task().times().run).collect::<Vec<u64>>();
    let took_turns = |ran: &[u64]| ran.iter().all(|&ran| ran > 100 * time::MILLISECOND);
    // The spinners of CPU 0 leave the sleeper the time that throttling leaves, or another CPU.
    sched::sleep_until(until);
    while !took_turns(&ran()) && time::monotonic() < until + PATIENCE {
        sched::sleep_for(100 * time::MILLISECOND);
    }
    let ran = ran();
    end(&over, pair);
    assert!(took_turns(&ran), "turns were not taken: {ran:?}");
    // Of two others each can be the first. What each has run on its way to its first sleep does not count.
    let over = Arc::new(AtomicBool::new(false));
    let pair = [(); 2].map(|()| asleep_spinner(FIFO_10, &over));
    let before = pair.each_ref().map(|thread| thread.task().times().run);
    let pair = pair.map(Created::wake);
    sched::sleep_for(300 * time::MILLISECOND);
    let ran: [u64; 2] = array::from_fn(|one| pair[one].task().times().run - before[one]);
    end(&over, pair.into_iter().collect());
    let least = ran[0].min(ran[1]);
    assert!(least < 10 * time::MILLISECOND, "FIFO tasks took turns: {ran:?}");
}

pub(crate) fn rt_throttling() {
    in_one_of_some_tries(throttled_spinner);
}

fn throttled_spinner() -> Result<(), String> {
    let over = Arc::new(AtomicBool::new(false));
    let fair = spinner(Attributes::NORMAL, &over);
    let hog = spinner(FIFO_10, &over);
    let start = fair.task().times().run;
    let from = time::monotonic();
    sched::sleep_for(3 * time::SECOND);
    let got = (fair.task().times().run - start) * 1000 / (time::monotonic() - from);
    end(&over, [fair, hog].into_iter().collect());
    ensure!((25..=100).contains(&got), "beside a FIFO spinner the fair one got {got} per mille");
    Ok(())
}

pub(crate) fn spinner_starves_nobody() {
    let over = Arc::new(AtomicBool::new(false));
    let hog = spinner(Attributes::NORMAL, &over);
    for _ in 0..3 {
        let started = time::monotonic();
        let other = on_cpu_0(Attributes::NORMAL).run(|_| 0).expect("a thread can be made");
        assert_eq!(other.join(), Exit::Returned(0));
        let waited = time::monotonic() - started;
        assert!(
            waited < 100 * time::MILLISECOND + PATIENCE,
            "it waited {waited} ns beside a spinner"
        );
    }
    end(&over, [hog].into_iter().collect());
}

/// Who waits for a thread that is bound to its CPU is not sent to another one each time.
pub(crate) fn who_asks_a_bound_thread_stays() {
    in_one_of_some_tries(stays);
}

fn stays() -> Result<(), String> {
    const ROUNDS: usize = 20;
    let work = workqueue::Work::from_fn("nothing", |_| ());
    let mut cpus = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        workqueue::system_wq().queue(&work);
        work.flush();
        cpus.push(sched::current().cpu());
    }
    let moves = cpus.windows(2).filter(|pair| pair[0] != pair[1]).count();
    ensure!(moves <= ROUNDS / 2, "it moved {moves} times");
    Ok(())
}

pub(crate) fn idle_cpus_take_work() {
    let all = cpus();
    let started = time::monotonic();
    let span = 40 * time::MILLISECOND;
    let threads: Vec<_> = all
        .iter()
        .map(|_| {
            spawn("spread", move |_| {
                let until = sched::current().times().run + span;
                while sched::current().times().run < until {
                    spin_until(time::monotonic() + time::MILLISECOND);
                    sync::preempt_point();
                }
                0
            })
        })
        .collect();
    join_all(threads);
    let took = time::monotonic() - started;
    // One CPU alone would need this times the number of CPUs.
    assert!(
        took < span * 2 + 60 * time::MILLISECOND + PATIENCE,
        "{} threads took {took} ns",
        all.len()
    );
}

pub(crate) fn attributes_against_switches() {
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<Handle> = (0..3)
        .map(|_| {
            let over = over.clone();
            spawn("changing", move |_| {
                while !over.load(Ordering::SeqCst) {
                    dawdle();
                }
                0
            })
        })
        .collect();
    for turn in 0..60 {
        let thread = &threads[turn % threads.len()];
        let attributes = match random(3) {
            0 => Attributes::NORMAL,
            1 => Attributes { nice: 19, ..Attributes::NORMAL },
            _ => FIFO_10,
        };
        sched::set_attributes(thread.task(), attributes).expect("they are right");
        dawdle();
        if random(3) == 0 {
            let all = cpus();
            let cpu = all[random(all.len() as u64) as usize];
            sched::set_allowed(thread.task(), CpuMask::of(cpu)).expect("the CPU is online");
        }
    }
    over.store(true, Ordering::SeqCst);
    join_all(threads);
}
