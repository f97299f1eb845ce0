//! Making threads.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use errno::Errno;
use kthread::{Builder, Exit};
use sched::{CpuMask, TaskFlags, TaskRef};
use sync::Once;

use crate::tools::{Meeting, cpus, dawdle, ensure, in_one_of_some_tries, join_all, random, spawn};

pub(crate) fn no_run_before_wake() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    let created = Builder::new(format_args!("sleeper"))
        .create(move |_| {
            seen.store(true, Ordering::SeqCst);
            7
        })
        .expect("a thread can be made");
    dawdle();
    sched::sleep_for(random(time::MILLISECOND));
    assert!(!ran.load(Ordering::SeqCst), "it ran before it was woken");
    assert_eq!(process::parent_number(created.task()), Some(2), "kthreadd is its parent");
    assert_eq!(created.wake().join(), Exit::Returned(7));
    assert!(ran.load(Ordering::SeqCst));
}

/// Puts back how many threads there may be.
struct RestoreMaxThreads(usize);

impl Drop for RestoreMaxThreads {
    fn drop(&mut self) {
        process::set_max_threads(self.0).expect("it was allowed before");
    }
}

pub(crate) fn a_hundred_creators() {
    const CREATORS: usize = 100;
    // With what each makes, these are more than the simulated machine's little memory is taken to be good for.
    let _restore = RestoreMaxThreads(process::max_threads());
    process::set_max_threads(process::max_threads().max(4 * CREATORS)).expect("it is allowed");
    let made = Arc::new(AtomicUsize::new(0));
    let creators: Vec<_> = (0..CREATORS)
        .map(|i| {
            let made = made.clone();
            spawn("creator", move |_| {
                let made_here = made.clone();
                let thread = Builder::new(format_args!("made/{i}"))
                    .run(move |_| {
                        made_here.fetch_add(1, Ordering::SeqCst);
                        i as i32
                    })
                    .expect("a thread can be made");
                assert_eq!(thread.join(), Exit::Returned(i as i32));
                0
            })
        })
        .collect();
    join_all(creators);
    assert_eq!(made.load(Ordering::SeqCst), CREATORS);
}

pub(crate) fn run_creates_and_wakes() {
    let runs = Arc::new(AtomicBool::new(false));
    let told = runs.clone();
    let thread = spawn("runner", move |this| {
        told.store(true, Ordering::SeqCst);
        while !this.should_stop() {
            this.sleep(time::MILLISECOND);
        }
        42
    });
    while !runs.load(Ordering::SeqCst) {
        sched::sleep_for(10_000);
    }
    assert!(thread.task().is_kthread());
    assert_eq!(thread.stop(), Exit::Returned(42));
}

pub(crate) fn memory_from_the_node() {
    for node in 0..machine::memory::nodes() {
        let created = Builder::new(format_args!("node/{node}"))
            .node(node)
            .create(|_| 0)
            .expect("a thread can be made");
        assert_eq!(created.task().node(), node);
        assert_eq!(created.wake().join(), Exit::Returned(0));
    }
}

pub(crate) fn bound_before_first_wake() {
    for cpu in cpus() {
        let created = Builder::new(format_args!("bound"))
            .create(move |this| {
                for _ in 0..3 {
                    if machine::cpu::id() != cpu {
                        return 1;
                    }
                    dawdle();
                }
                assert!(!this.should_park());
                0
            })
            .expect("a thread can be made");
        created.bind(cpu).expect("the CPU is there");
        assert!(created.task().flags().contains(TaskFlags::NO_SETAFFINITY));
        assert_eq!(created.task().allowed(), CpuMask::of(cpu));
        assert_eq!(created.wake().join(), Exit::Returned(0), "it ran on another CPU");
    }
    let created =
        Builder::new(format_args!("nowhere")).create(|_| 0).expect("a thread can be made");
    for absent in [machine::cpu::count(), machine::MAX_CPUS, 64, usize::MAX] {
        assert_eq!(created.bind(absent), Err(Errno::EINVAL), "there is no such CPU");
    }
}

/// Threads that are made on one CPU and end on another: soon no more stacks are mapped for them.
pub(crate) fn stacks_go_round() {
    in_one_of_some_tries(few_stacks_are_mapped);
}

fn few_stacks_are_mapped() -> Result<(), String> {
    const THREADS: u64 = 60;
    /// What two CPUs keep for themselves, and what is kept for all, with some room for what others do.
    const KEPT: i32 = 30;
    let all = cpus();
    let [first, .., last] = all[..] else { return Ok(()) };
    let maker = Builder::new(format_args!("maker")).cpu(first).run(move |_| {
        let before = sched::stack_cache::maps();
        for _ in 0..THREADS {
            let thread = Builder::new(format_args!("far")).cpu(last).run(|_| 0);
            assert_eq!(thread.expect("a thread can be made").join(), Exit::Returned(0));
        }
        (sched::stack_cache::maps() - before) as i32
    });
    let made = maker.expect("a thread can be made").join();
    let Exit::Returned(maps) = made else { panic!("it has not come to an end") };
    ensure!(maps < KEPT, "{maps} stacks were mapped for {THREADS} threads");
    Ok(())
}

/// A program gives a thread other CPUs as it is bound to those that it has: it stays bound to them, whoever was first.
pub(crate) fn bound_as_a_program_moves_it() {
    const TURNS: u64 = 8;
    if cpus().len() == 1 {
        return;
    }
    let meeting = Arc::new(Meeting::default());
    let tasks: Arc<[Once<TaskRef>]> = (0..TURNS).map(|_| Once::new()).collect();
    let (theirs, theirs_too) = (meeting.clone(), tasks.clone());
    let program = spawn("program", move |_| {
        for turn in 0..TURNS {
            theirs.of_two(2 * turn);
            let task = theirs_too[turn as usize].get().expect("it was made before");
            // Refused if it is bound, which is all right.
            let _ = sched::set_allowed_from_user(task, CpuMask::of(0));
            theirs.of_two(2 * turn + 1);
        }
        0
    });
    for turn in 0..TURNS {
        let made = Builder::new(format_args!("bound")).create(|_| 0).expect("a thread can be made");
        let mask = made.task().allowed();
        assert!(tasks[turn as usize].set(made.task().clone()).is_ok());
        meeting.of_two(2 * turn);
        made.bind_mask(mask).expect("there are such CPUs");
        meeting.of_two(2 * turn + 1);
        assert_eq!(made.task().allowed(), mask, "a program has moved a bound thread");
        assert_eq!(made.stop(), Exit::NeverRan);
    }
    join_all(alloc::vec![program]);
}
