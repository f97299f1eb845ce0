//! Deadline tasks: their order, their budgets, who is admitted, and where they run. What the host's clock decides runs on the simulated
//! machine only.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use errno::Errno;
use fault::{Plan, Point, When};
use kthread::{Builder, Exit, Handle};
use sched::{Attributes, Completion, CpuMask, DeadlineParameters, Policy, TaskRef};
use sync::PreemptGuard;

use crate::tools::{PATIENCE, cpus, dawdle, ensure, in_one_of_some_tries, join_all, random, spawn};

pub(crate) const MS: u64 = time::MILLISECOND;

/// How late a timer, and what waits for it, may be: on the simulated machine some seeds make them so, and spinning moves its clock in jumps
/// of up to 1 ms each.
pub(crate) const LATE: u64 = 10 * MS + PATIENCE;

pub(crate) fn wish(runtime: u64, deadline: u64, period: u64) -> DeadlineParameters {
    DeadlineParameters { runtime, deadline, period, signals_overrun: false }
}

pub(crate) fn implicit(runtime: u64, period: u64) -> DeadlineParameters {
    wish(runtime, period, period)
}

pub(crate) fn set(task: &TaskRef, wish: DeadlineParameters) {
    sched::set_deadline(task, wish, false).expect("it can be admitted");
}

/// While this lives, everybody is admitted, and deadline tasks may be bound.
pub(crate) struct Unlimited {
    period: u64,
    runtime: Option<u64>,
}

impl Unlimited {
    pub(crate) fn new() -> Self {
        let (period, runtime) = sched::rt_bandwidth();
        sched::set_rt_bandwidth(period, None).expect("there is a period");
        Self { period, runtime }
    }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        // Who has left in advance of its rate holds its bandwidth until its deadline.
        let until = time::monotonic() + 5 * time::SECOND + PATIENCE;
        while sched::set_rt_bandwidth(self.period, self.runtime) == Err(Errno::EBUSY) {
            assert!(time::monotonic() < until, "bandwidth is not given back");
            sched::sleep_for(MS);
        }
    }
}

/// A thread on CPU 0 that spins until told to end.
#[cfg(not(target_os = "none"))]
fn spinner_on_cpu_0(over: &Arc<AtomicBool>, attributes: Attributes) -> Handle {
    let over = over.clone();
    Builder::new(format_args!("spinner"))
        .bound_to(CpuMask::of(0))
        .attributes(attributes)
        .run(move |_| {
            while !over.load(Ordering::SeqCst) {
                machine::cpu::relax();
            }
            0
        })
        .expect("a thread can be made")
}

const FIFO: Attributes = Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };

/// Tasks that are woken at the same moment on one CPU run in the order of their deadlines, before all others. Not if they are woken so late
/// that the deadlines have passed: some of them then wait for their next period.
pub(crate) fn order() {
    in_one_of_some_tries(run_in_order);
}

fn run_in_order() -> Result<(), String> {
    let _unlimited = Unlimited::new();
    let order = Arc::new(AtomicU64::new(0));
    let place = |digit: u64, attributes: Attributes, wish: Option<DeadlineParameters>| {
        let order = order.clone();
        let go = Arc::new(Completion::new());
        let wait_for = go.clone();
        let thread = Builder::new(format_args!("number_{digit}"))
            .bound_to(CpuMask::of(0))
            .attributes(attributes)
            .run(move |_| {
                wait_for.wait();
                order
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |o| Some(o * 10 + digit))
                    .map_or(1, |_| 0)
            })
            .expect("a thread can be made");
        if let Some(wish) = wish {
            set(thread.task(), wish);
        }
        while thread.task().is_queued() || thread.task().is_on_cpu() {
            sched::sleep_for(100_000);
        }
        (thread, go)
    };
    // Long: one that is woken after its deadline and before its next period has to wait for that.
    let with = |deadline: u64| Some(wish(300 * MS, deadline * MS, 3000 * MS));
    let all = [
        place(5, Attributes::NORMAL, None),
        place(3, Attributes::NORMAL, with(3000)),
        place(1, Attributes::NORMAL, with(2000)),
        place(4, FIFO, None),
        place(2, Attributes::NORMAL, with(2500)),
    ];
    let waker = Builder::new(format_args!("waker"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            let stay = PreemptGuard::new();
            all.iter().for_each(|(_, go)| go.complete());
            drop(stay);
            join_all(all.into_iter().map(|(thread, _)| thread).collect());
            0
        })
        .expect("a thread can be made");
    assert_eq!(waker.join(), Exit::Returned(0));
    let order = order.load(Ordering::SeqCst);
    ensure!(order == 12345, "they ran in the order {order}");
    Ok(())
}

/// A spinner gets its runtime in each period, over many of them, and what it does not get others do. When it is back after a time without
/// budget, its next period has begun, and not long ago.
#[cfg(not(target_os = "none"))]
pub(crate) fn budget() {
    const RUNTIME: u64 = 8 * MS;
    const PERIOD: u64 = 40 * MS;
    const PERIODS: u64 = 25;
    let _unlimited = Unlimited::new();
    let over = Arc::new(AtomicBool::new(false));
    let fair = spinner_on_cpu_0(&over, Attributes::NORMAL);
    let stop = over.clone();
    let worst = Arc::new(AtomicU64::new(0));
    let seen = worst.clone();
    let begin = Arc::new(Completion::new());
    let wait_for = begin.clone();
    let server = Builder::new(format_args!("server"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            wait_for.wait();
            let me = sched::current_ref();
            let (mut last, mut deadline) = (time::monotonic(), 0);
            while !stop.load(Ordering::SeqCst) {
                machine::cpu::relax();
                let (_, next) = me.deadline_budget().expect("it is of the class");
                let now = time::monotonic();
                if next != deadline && deadline != 0 {
                    // One that overran pays with whole periods.
                    assert!(now >= deadline, "back {} ns too early", deadline - now);
                    seen.fetch_max((now + PERIOD).saturating_sub(next), Ordering::SeqCst);
                }
                assert!(last <= now);
                (last, deadline) = (now, next);
            }
            0
        })
        .expect("a thread can be made");
    set(server.task(), implicit(RUNTIME, PERIOD));
    begin.complete();
    let before = (server.task().times().run, time::monotonic());
    sched::sleep_for(PERIODS * PERIOD);
    let after = (server.task().times().run, time::monotonic());
    over.store(true, Ordering::SeqCst);
    join_all([fair, server].into_iter().collect());
    let (ran, span) = (after.0 - before.0, after.1 - before.1);
    let fits = span * RUNTIME / PERIOD;
    assert!(ran <= fits + 2 * RUNTIME, "it ran {ran} ns of {span}, and {fits} are its due");
    assert!(ran + 2 * RUNTIME + LATE >= fits, "it ran {ran} ns of {span}, and {fits} are its due");
    let worst = worst.load(Ordering::SeqCst);
    assert!(worst <= LATE, "it was back {worst} ns late");
}

/// Beside a deadline spinner and a real-time one a fair one still gets what the limit leaves to it.
#[cfg(not(target_os = "none"))]
pub(crate) fn leave_the_rest() {
    let _unlimited = Unlimited::new();
    let over = Arc::new(AtomicBool::new(false));
    let fair = spinner_on_cpu_0(&over, Attributes::NORMAL);
    let server = spinner_on_cpu_0(&over, Attributes::NORMAL);
    set(server.task(), implicit(60 * MS, 100 * MS));
    // The bound one has been admitted; from here on there is a limit again.
    sched::set_rt_bandwidth(time::SECOND, Some(950 * MS)).expect("less than that was promised");
    let fifo = spinner_on_cpu_0(&over, FIFO);
    let run = |thread: &Handle| thread.task().times().run;
    let before = [run(&fair), run(&fifo), run(&server)];
    let from = time::monotonic();
    sched::sleep_for(3 * time::SECOND);
    let span = time::monotonic() - from;
    let after = [run(&fair), run(&fifo), run(&server)];
    over.store(true, Ordering::SeqCst);
    join_all([fair, fifo, server].into_iter().collect());
    let got: [u64; 3] = core::array::from_fn(|one| (after[one] - before[one]) * 1000 / span);
    assert!((25..=100).contains(&got[0]), "fair, FIFO and deadline got {got:?} per mille");
    assert!((560..=640).contains(&got[2]), "fair, FIFO and deadline got {got:?} per mille");
}

/// Who yields comes back in its next period, once in each.
pub(crate) fn yields() {
    const PERIOD: u64 = 30 * MS;
    const TURNS: u64 = 8;
    let _unlimited = Unlimited::new();
    let go = Arc::new(Completion::new());
    let wait_for = go.clone();
    let thread = spawn("yielding", move |_| {
        wait_for.wait();
        let mut last = 0;
        for turn in 0..TURNS {
            let (left, deadline) = sched::current().deadline_budget().expect("it is of the class");
            // A host that stops the CPU here uses up what there is.
            assert!(left > 0 || PATIENCE != 0, "it runs on nothing");
            assert!(deadline > last, "turn {turn}: the same period again");
            last = deadline;
            sched::yield_now();
            let now = time::monotonic();
            assert!(now >= deadline, "back {} ns too early", deadline - now);
            assert!(now < deadline + PERIOD + LATE, "back {} ns late", now - deadline);
        }
        0
    });
    set(thread.task(), implicit(10 * MS, PERIOD));
    go.complete();
    assert_eq!(thread.join(), Exit::Returned(0));
}

/// One task more than there are CPUs, each of a bandwidth at which all deadlines can be met if any CPU runs any of them, with spinners of
/// all other classes on each CPU.
#[cfg(not(target_os = "none"))]
pub(crate) fn deadlines_are_met() {
    const PERIOD: u64 = 100 * MS;
    const RUNTIME: u64 = 45 * MS;
    const WORK: u64 = 30 * MS;
    const JOBS: u64 = 6;
    let all = cpus();
    let over = Arc::new(AtomicBool::new(false));
    let mut load = Vec::new();
    for _ in &all {
        let over = over.clone();
        load.push(spawn("load", move |_| {
            while !over.load(Ordering::SeqCst) {
                machine::cpu::relax();
            }
            0
        }));
    }
    let count = if all.len() == 1 { 2 } else { all.len() + 1 };
    let go = Arc::new(Completion::new());
    let workers: Vec<Handle> = (0..count)
        .map(|_| {
            let go = go.clone();
            spawn("periodic", move |_| {
                go.wait();
                let begin = time::monotonic();
                for job in 0..JOBS {
                    let release = begin + job * PERIOD;
                    sched::sleep_until(release);
                    let until = sched::current().times().run + WORK;
                    while sched::current().times().run < until {
                        crate::tools::spin_until(time::monotonic() + MS / 4);
                        // A switch that falls on itself brings its account up to date.
                        sched::schedule();
                    }
                    let end = time::monotonic();
                    assert!(
                        end <= release + PERIOD + LATE,
                        "job {job} ended {} ns after its deadline",
                        end - release - PERIOD
                    );
                }
                0
            })
        })
        .collect();
    for worker in &workers {
        set(worker.task(), implicit(RUNTIME, PERIOD));
    }
    go.complete_all();
    join_all(workers);
    over.store(true, Ordering::SeqCst);
    join_all(load);
}

/// Waits for the bandwidth of those that have left the class in advance of their rate, in earlier scenarios too.
fn all_is_given_back() {
    let until = time::monotonic() + 5 * time::SECOND + PATIENCE;
    while sched::deadline_bandwidth() != (0, 0) {
        assert!(time::monotonic() < until, "bandwidth is not given back");
        sched::sleep_for(MS);
    }
}

/// A thread that sleeps until it is stopped; and does sleep: of what it runs on its way there nothing counts.
pub(crate) fn sleeper(name: &str) -> Handle {
    let thread = spawn(name, |this| {
        let stopped = || this.should_stop().then_some(());
        sched::wait_to_be_woken(sched::Sleep::Idle, None, stopped).map_or(1, |()| 0)
    });
    while thread.task().is_queued() || thread.task().is_on_cpu() {
        sched::sleep_for(10_000);
    }
    thread
}

/// What may be asked for, what is refused, and when what was given is there again.
pub(crate) fn admission() {
    all_is_given_back();
    let all = cpus();
    let ask =
        |thread: &Handle, wish: DeadlineParameters| sched::set_deadline(thread.task(), wish, false);
    let given = || sched::deadline_bandwidth().0;
    let big: Vec<Handle> = all.iter().map(|_| sleeper("big")).collect();
    for thread in &big {
        assert_eq!(ask(thread, implicit(90 * MS, 100 * MS)), Ok(()));
    }
    let small = sleeper("small");
    let rest = 5 * all.len() as u64;
    assert_eq!(ask(&small, implicit((rest + 1) * MS, 100 * MS)), Err(Errno::EBUSY));
    assert_eq!(small.task().attributes().policy, Policy::Normal);
    assert_eq!(ask(&small, implicit(rest * MS - 10_000, 100 * MS)), Ok(()));
    assert_eq!(ask(&big[0], implicit(91 * MS, 100 * MS)), Err(Errno::EBUSY));
    assert_eq!(ask(&big[0], implicit(50 * MS, 100 * MS)), Ok(()));
    assert_eq!(ask(&big[0], implicit(90 * MS, 100 * MS)), Ok(()));
    // The limit does not go below what is promised.
    let (period, runtime) = sched::rt_bandwidth();
    assert_eq!(sched::set_rt_bandwidth(period, Some(period / 2)), Err(Errno::EBUSY));
    assert_eq!(sched::rt_bandwidth(), (period, runtime));
    // What contradicts itself.
    for wrong in [implicit(1000, 100 * MS), wish(20 * MS, 10 * MS, 100 * MS), implicit(0, 0)] {
        assert_eq!(ask(&small, wrong), Err(Errno::EINVAL));
    }
    let deadline = Attributes { policy: Policy::Deadline, ..Attributes::NORMAL };
    // Its bandwidth is there again at once, or, if it has just run, when its rate has caught up.
    let before = given();
    assert_eq!(sched::set_attributes(small.task(), Attributes::NORMAL), Ok(()));
    assert!(given() < before);
    assert_eq!(sched::set_attributes(small.task(), deadline), Err(Errno::EINVAL));
    let until = time::monotonic() + 100 * MS + LATE;
    while let Err(error) = ask(&small, implicit(rest * MS - 10_000, 100 * MS)) {
        assert!(error == Errno::EBUSY && time::monotonic() < until, "{error}");
        sched::sleep_for(MS);
    }
    assert_eq!(given(), before);
    // Where it may run.
    let here = CpuMask::of(all[0]);
    if all.len() > 1 {
        assert_eq!(sched::set_allowed_from_user(small.task(), here), Err(Errno::EBUSY));
        let bound = sleeper("bound");
        assert_eq!(sched::set_allowed(bound.task(), here), Ok(()));
        assert_eq!(ask(&bound, implicit(MS, 1000 * MS)), Err(Errno::EPERM));
        stop(bound);
    }
    assert_eq!(sched::set_allowed_from_user(small.task(), CpuMask::ALL), Ok(()));
    stop(small);
    // Whoever still knows of them keeps no bandwidth.
    let known: Vec<TaskRef> = big.iter().map(|thread| thread.task().clone()).collect();
    big.into_iter().for_each(stop);
    assert_eq!(given(), 0, "an end does not give back");
    drop(known);
    leaves_in_debt();
    // No memory for its place on the queues.
    let unlucky = sleeper("unlucky");
    fault::arm(Plan { point: Some(Point::QueuePlace), when: When::Nth(1) });
    assert_eq!(ask(&unlucky, implicit(MS, 100 * MS)), Err(Errno::ENOMEM));
    assert_eq!(fault::disarm().failed, 1);
    assert_eq!((unlucky.task().attributes(), given()), (Attributes::NORMAL, 0));
    stop(unlucky);
}

/// One that has run in advance of its rate leaves the class: its bandwidth is not there before its rate has caught up.
fn leaves_in_debt() {
    let (runtime, period) = (50 * MS, 500 * MS);
    let go = Arc::new(Completion::new());
    let wait_for = go.clone();
    let spender = spawn("spender", move |this| {
        wait_for.wait();
        crate::tools::spin_until(time::monotonic() + runtime / 2);
        let stopped = || this.should_stop().then_some(());
        sched::wait_to_be_woken(sched::Sleep::Idle, None, stopped).map_or(1, |()| 0)
    });
    all_is_given_back();
    let begin = time::monotonic();
    set(spender.task(), implicit(runtime, period));
    go.complete();
    while spender.task().is_queued() || spender.task().is_on_cpu() {
        sched::sleep_for(MS);
    }
    let spent = spender.task().deadline_budget().map_or(0, |(left, _)| runtime as i64 - left);
    let rate = (period / runtime) as i64;
    assert_eq!(sched::set_attributes(spender.task(), Attributes::NORMAL), Ok(()));
    let (given, back) = sched::deadline_bandwidth();
    let caught_up = (time::monotonic() - begin) as i64 >= (spent - MS as i64) * rate;
    assert_eq!(given, 0);
    assert!(caught_up || back > 0, "it is there at once, with {spent} ns spent");
    stop(spender);
}

pub(crate) fn stop(thread: Handle) {
    assert!(matches!(thread.stop(), Exit::Returned(0) | Exit::NeverRan));
}

/// A CPU goes only if the others can keep what is promised; deadline tasks, throttled ones too, go on elsewhere.
pub(crate) fn against_hotplug() {
    let all = cpus();
    let Some(&cpu) = all.get(1 + random(all.len().max(2) as u64 - 1) as usize) else { return };
    all_is_given_back();
    let over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..all.len() + 1)
        .map(|number| {
            let (over, turns) = (over.clone(), Arc::new(AtomicU64::new(0)));
            let count = turns.clone();
            let thread = spawn("deadline", move |_| {
                while !over.load(Ordering::SeqCst) {
                    count.fetch_add(1, Ordering::SeqCst);
                    match number % 3 {
                        0 => sched::yield_now(),
                        1 => (0..20).for_each(|_| machine::cpu::relax()),
                        _ => dawdle(),
                    }
                }
                0
            });
            set(thread.task(), implicit(MS / 2, 4 * MS));
            (thread, turns)
        })
        .collect();
    // One that sleeps holds what the others do not have without the CPU.
    let holder = sleeper("holder");
    let promised = workers.len() as u64 * 125;
    let fits = (all.len() as u64 - 1) * 950;
    let too_much = (fits + 50).saturating_sub(promised).min(1000);
    set(holder.task(), implicit(too_much * MS, 1000 * MS));
    if promised + too_much > fits {
        assert_eq!(hotplug::down(cpu), Err(Errno::EBUSY));
        assert!(sched::active().contains(cpu));
    }
    stop(holder);
    if promised <= fits {
        for _ in 0..2 {
            // What has left early holds its bandwidth until its deadline.
            let until = time::monotonic() + 2 * time::SECOND + PATIENCE;
            while let Err(error) = hotplug::down(cpu) {
                assert!(error == Errno::EBUSY && time::monotonic() < until, "{error}");
                sched::sleep_for(10 * MS);
            }
            for (thread, turns) in &workers {
                let before = turns.load(Ordering::SeqCst);
                let until = time::monotonic() + 500 * MS + PATIENCE;
                while turns.load(Ordering::SeqCst) == before {
                    assert!(time::monotonic() < until, "{:?} was left behind", thread.task());
                    sched::sleep_for(100_000);
                }
            }
            hotplug::up(cpu).expect("it was there before");
        }
    }
    over.store(true, Ordering::SeqCst);
    for (thread, _) in workers {
        assert_eq!(thread.join(), Exit::Returned(0));
    }
}

/// Tasks come into the class, change in it and leave it while they run, sleep, are throttled and end: bandwidth is neither lost nor given twice.
pub(crate) fn against_everything() {
    let all = cpus();
    let over = Arc::new(AtomicBool::new(false));
    let threads: Arc<Vec<Handle>> = Arc::new(
        (0..4)
            .map(|number| {
                let over = over.clone();
                spawn("changing", move |_| {
                    // Some end in the middle of it.
                    let mut turns = if number == 0 { 40 } else { u64::MAX };
                    while !over.load(Ordering::SeqCst) && turns > 0 {
                        dawdle();
                        turns -= 1;
                    }
                    0
                })
            })
            .collect(),
    );
    let changers: Vec<Handle> = (0..2)
        .map(|_| {
            let (threads, all) = (threads.clone(), all.clone());
            spawn("changer", move |_| {
                for _ in 0..40 {
                    let task = threads[random(threads.len() as u64) as usize].task();
                    let period = (1 + random(4)) * MS;
                    // Refused in some of the ways in which it can be, which is all right.
                    let _ = match random(8) {
                        0 => sched::set_attributes(task, Attributes::NORMAL),
                        1 => sched::set_attributes(task, FIFO),
                        2 => sched::set_attributes(
                            task,
                            Attributes { nice: random(10) as i8, ..task.attributes() },
                        ),
                        3 => {
                            let cpu = all[random(all.len() as u64) as usize];
                            sched::set_allowed(task, CpuMask::of(cpu))
                        }
                        4 => sched::set_allowed(task, CpuMask::ALL),
                        _ => sched::set_deadline(
                            task,
                            wish(period / (1 + random(16)), period, period + random(MS)),
                            false,
                        ),
                    };
                    dawdle();
                }
                0
            })
        })
        .collect();
    join_all(changers);
    over.store(true, Ordering::SeqCst);
    let threads = Arc::into_inner(threads).expect("the changers are gone");
    join_all(threads);
    assert_eq!(sched::deadline_bandwidth().0, 0, "bandwidth is left");
}
