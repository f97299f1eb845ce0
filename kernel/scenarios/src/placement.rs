//! Where woken tasks go: to the CPU of a waker that leaves it, and to whoever gets there first.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use errno::Errno;
use kthread::{Builder, Created, Exit};
use machine::CpuId;
use process::{CloneFlags, KernelThread, WaitFor, WaitOptions};
use sched::{Attributes, Completion, CpuMask, Policy, Sleep, state};
use sync::IrqGuard;
use time::HrTimer;

use crate::tools::{Meeting, PATIENCE, SLACK, cpus, ensure, in_one_of_some_tries, random, spawn};

/// How long something may take that takes no time.
const SOON: u64 = 20 * time::MILLISECOND + PATIENCE;

fn sleeper() -> Created {
    Builder::new(format_args!("newborn")).create(|_| 0).expect("a thread can be made")
}

fn reschedule_interrupts() -> u64 {
    cpus().into_iter().map(|cpu| machine::irq::counts(cpu).reschedule).sum()
}

/// Creator, kthreadd, newborn and joiner take turns: each wakes the next one and sleeps, so all stay on one CPU and no other is interrupted.
pub(crate) fn who_makes_way_is_followed() {
    in_one_of_some_tries(nobody_is_interrupted);
}

fn nobody_is_interrupted() -> Result<(), String> {
    const ROUNDS: u64 = 24;
    let maker = spawn("maker", |_| {
        // What the start of this thread has to do elsewhere is done.
        sched::sleep_for(SLACK * time::MILLISECOND);
        let before = reschedule_interrupts();
        for _ in 0..ROUNDS {
            assert_eq!(sleeper().stop(), Exit::NeverRan);
        }
        (reschedule_interrupts() - before) as i32
    });
    let Exit::Returned(interrupts) = maker.join() else { panic!("it has not come to an end") };
    ensure!(interrupts < ROUNDS as i32, "CPUs were interrupted {interrupts} times for nothing");
    Ok(())
}

/// A parent that waits for its child's end goes on where the child has ended.
pub(crate) fn who_waits_for_an_end_follows() {
    in_one_of_some_tries(follows_its_child);
}

fn follows_its_child() -> Result<(), String> {
    const ROUNDS: usize = 16;
    let follows = |_: &usize| {
        let ended_on = Arc::new(AtomicUsize::new(CpuId::MAX));
        let (theirs, parent) = (ended_on.clone(), sched::current_ref());
        let child = process::kernel_thread(KernelThread {
            name: b"child",
            node: None,
            flags: CloneFlags::FS | CloneFlags::FILES,
            function: move || {
                // Until its parent waits, and not as soon as it does.
                while !is_asleep(&parent) {
                    sched::sleep_for(10 * time::MICROSECOND);
                }
                sched::sleep_for(50 * time::MICROSECOND);
                theirs.store(machine::cpu::id(), SeqCst);
                0
            },
        });
        drop(child.expect("a thread can be made"));
        let ended = process::wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::ALL);
        // Nobody has to wait for the child of who ignores its signal.
        assert!(matches!(ended, Ok(Some(_)) | Err(Errno::ECHILD)));
        sched::current().cpu() == ended_on.load(SeqCst)
    };
    let followed = (0..ROUNDS).filter(follows).count();
    ensure!(followed >= ROUNDS * 3 / 4, "it followed {followed} times of {ROUNDS}");
    Ok(())
}

/// Where somebody else waits for the CPU, a woken task goes to an idle one, though its waker makes way.
pub(crate) fn no_place_where_another_waits() {
    if cpus().len() > 1 {
        in_one_of_some_tries(goes_elsewhere);
    }
}

fn goes_elsewhere() -> Result<(), String> {
    const ROUNDS: usize = 12;
    let over = Arc::new(AtomicBool::new(false));
    let (seen, spins) = (over.clone(), Arc::new(AtomicBool::new(false)));
    let says = spins.clone();
    let on_cpu_0 = |name| Builder::new(format_args!("{name}")).bound_to(CpuMask::of(0));
    let spinner = on_cpu_0("spinner").run(move |_| {
        while !seen.load(SeqCst) {
            says.store(true, SeqCst);
            machine::cpu::relax();
        }
        0
    });
    while !spins.load(SeqCst) {
        sched::sleep_for(time::MICROSECOND);
    }
    let maker = on_cpu_0("maker").run(|_| {
        let made_here = |_: &usize| {
            let newborn = sleeper();
            let is_here = newborn.task().cpu() == 0;
            newborn.stop();
            is_here
        };
        (0..ROUNDS).filter(made_here).count() as i32
    });
    let made_here = maker.map(kthread::Handle::join);
    over.store(true, SeqCst);
    assert_eq!(spinner.map(kthread::Handle::join), Ok(Exit::Returned(0)));
    let Ok(Exit::Returned(made_here)) = made_here else { panic!("it has not come to an end") };
    ensure!(made_here <= ROUNDS as i32 / 2, "{made_here} of {ROUNDS} were made beside a spinner");
    Ok(())
}

/// What a real-time waker, who wakes that one, and the woken task tell each other.
#[derive(Default)]
struct Stage {
    meeting: Meeting,
    /// The round for which the waker has been woken.
    roused: AtomicU64,
    /// The round that the waker is in.
    called: AtomicU64,
    /// The round in which the other one has run.
    answered: AtomicU64,
}

const ROUNDS: u64 = 40;

/// A task is woken by one that is about to sleep, takes no interrupts afterwards, and does not sleep after all as it is woken itself
/// just then. An idle CPU takes the first one.
pub(crate) fn who_stays_gives_the_other_away() {
    let all = cpus();
    let &[rouser_cpu, _, _, ..] = all.as_slice() else { return };
    let elsewhere = CpuMask::present().without(rouser_cpu);
    let stage = Arc::new(Stage::default());
    let theirs = stage.clone();
    let other = spawn("other", move |_| {
        for round in 1..=ROUNDS {
            let called = || (theirs.called.load(SeqCst) >= round).then_some(());
            sched::wait_to_be_woken(Sleep::Idle, None, called).expect("nothing ends it early");
            theirs.answered.store(round, SeqCst);
        }
        0
    });
    sched::set_allowed(other.task(), elsewhere).expect("they are online");
    let (theirs, task) = (stage.clone(), other.task().clone());
    let fifo = Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
    let waker = Builder::new(format_args!("waker"))
        .bound_to(elsewhere)
        .attributes(fifo)
        .run(move |_| {
            for round in 1..=ROUNDS {
                while !is_asleep(&task) {
                    sched::sleep_for(1_000);
                }
                theirs.meeting.of_two(round - 1);
                theirs.called.store(round, SeqCst);
                let roused = || (theirs.roused.load(SeqCst) >= round).then_some(());
                sched::wake_and_wait(task.clone(), state::NORMAL, Sleep::Uninterruptible, roused)
                    .expect("nothing ends it early");
                // Nor does the tick look what waits here.
                let _irqs_off = IrqGuard::new();
                let deadline = time::monotonic() + SOON;
                while theirs.answered.load(SeqCst) < round {
                    assert!(time::monotonic() < deadline, "it waits for a CPU that is not left");
                    machine::cpu::relax();
                }
            }
            0
        })
        .expect("a thread can be made");
    let (theirs, task) = (stage, waker.task().clone());
    let rouser = Builder::new(format_args!("rouser"))
        .bound_to(CpuMask::of(rouser_cpu))
        .run(move |_| {
            for round in 1..=ROUNDS {
                theirs.meeting.of_two(round - 1);
                (0..random(30)).for_each(|_| machine::cpu::relax());
                theirs.roused.store(round, SeqCst);
                sched::wake_up(&task);
                // Asleep, it would leave its CPU to the other one.
                while theirs.answered.load(SeqCst) < round {
                    machine::cpu::relax();
                }
            }
            0
        })
        .expect("a thread can be made");
    for thread in [waker, rouser, other] {
        assert_eq!(thread.join(), Exit::Returned(0));
    }
}

fn is_asleep(task: &sched::Task) -> bool {
    task.state() & state::OFF_QUEUE != 0 && !task.is_on_cpu()
}

/// A task is put on an idle CPU that does not come out of its rest. The CPU of its waker, with nothing else to do, takes it.
pub(crate) fn who_waits_for_an_idle_cpu_is_taken() {
    let all = cpus();
    let Some(&resting) = all.get(1) else { return };
    let ran_on = Arc::new(AtomicUsize::new(CpuId::MAX));
    let (begun, in_vain) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let go = Arc::new(Completion::new());
    let (theirs, told) = (ran_on.clone(), go.clone());
    let task = Builder::new(format_args!("taken"))
        .bound_to(CpuMask::of(resting))
        .run(move |_| {
            told.wait();
            theirs.store(machine::cpu::id(), SeqCst);
            0
        })
        .expect("a thread can be made");
    while !is_asleep(task.task()) {
        sched::sleep_for(10_000);
    }
    // An interrupt that comes to the idle task and lasts until the other one has run.
    let over = Arc::new(Completion::new());
    let (running, seen, waited) = (begun.clone(), ran_on.clone(), in_vain.clone());
    let ends = over.clone();
    let timer = HrTimer::new(move || {
        running.store(true, SeqCst);
        let deadline = time::monotonic() + SOON;
        while seen.load(SeqCst) == CpuId::MAX && !waited.load(SeqCst) {
            waited.store(time::monotonic() > deadline, SeqCst);
            machine::cpu::relax();
        }
        ends.complete();
    });
    let waker = Builder::new(format_args!("waker"))
        .bound_to(CpuMask::of(all[0]))
        .run(move |_| {
            // Without sleeping: this CPU is not to look for work before.
            while !begun.load(SeqCst) {
                machine::cpu::relax();
            }
            go.complete();
            0
        })
        .expect("a thread can be made");
    sched::set_allowed(task.task(), CpuMask::ALL).expect("all are online");
    let starter =
        Builder::new(format_args!("starter")).bound_to(CpuMask::of(resting)).run(move |_| {
            timer.start(time::monotonic() + SLACK * 100 * time::MICROSECOND);
            over.wait();
            timer.cancel_sync();
            0
        });
    assert_eq!(waker.join(), Exit::Returned(0));
    assert_eq!(task.join(), Exit::Returned(0));
    assert_eq!(starter.map(kthread::Handle::join), Ok(Exit::Returned(0)));
    assert!(!in_vain.load(SeqCst), "it waited until its CPU had left its rest");
}
