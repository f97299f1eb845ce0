//! Parking threads.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use errno::Errno;
use kthread::smpboot::{self, PerCpuThread};
use kthread::{Builder, Exit, Handle};
use machine::{CpuId, MAX_CPUS};
use sched::state::OFF_QUEUE;
use sched::{Attributes, Policy};

use crate::tools::{PATIENCE, cpus, dawdle, random, spawn, wait_for_progress};

fn counting_thread(turns: &Arc<AtomicU64>) -> Handle {
    let turns = turns.clone();
    spawn("counting", move |this| {
        while !this.should_stop() {
            this.park_if_asked();
            turns.fetch_add(1, Ordering::SeqCst);
            this.sleep(1_000);
        }
        0
    })
}

pub(crate) fn park_and_unpark() {
    let turns = Arc::new(AtomicU64::new(0));
    let thread = counting_thread(&turns);
    wait_for_progress(&turns);
    thread.park().expect("it is there");
    let while_parked = turns.load(Ordering::SeqCst);
    sched::wake_up(thread.task());
    sched::sleep_for(time::MILLISECOND);
    assert_eq!(turns.load(Ordering::SeqCst), while_parked, "a parked thread ran");
    assert_eq!(sched::state::letter(thread.task().state()), 'P');
    thread.unpark();
    wait_for_progress(&turns);
    thread.park().expect("it is there");
    assert_eq!(thread.stop(), Exit::Returned(0), "stop unparks");
}

pub(crate) fn again_and_again() {
    let turns = Arc::new(AtomicU64::new(0));
    let thread = counting_thread(&turns);
    for _ in 0..8 {
        dawdle();
        thread.park().expect("it is there");
        assert!(thread.task().state() & OFF_QUEUE != 0 && !thread.task().is_on_cpu(), "on its way");
        let while_parked = turns.load(Ordering::SeqCst);
        dawdle();
        assert_eq!(turns.load(Ordering::SeqCst), while_parked, "a parked thread ran");
        thread.unpark();
        if random(2) == 0 {
            wait_for_progress(&turns);
        }
    }
    match thread.stop() {
        Exit::Returned(0) => {}
        // It may have been parked each time before its function began.
        Exit::NeverRan => assert_eq!(turns.load(Ordering::SeqCst), 0),
        other => panic!("it ended otherwise: {other:?}"),
    }
}

pub(crate) fn stop_before_first_unpark() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    let builder = Builder::new(format_args!("parked"));
    let builder = if random(2) == 0 { builder.cpu(cpus()[0]) } else { builder };
    let thread = builder
        .create(move |_| {
            seen.store(true, Ordering::SeqCst);
            0
        })
        .expect("a thread can be made")
        .park();
    dawdle();
    assert_eq!(thread.stop(), Exit::NeverRan);
    assert!(!ran.load(Ordering::SeqCst), "it ran though it was never unparked");
    assert_eq!(Arc::strong_count(&ran), 1, "its function was not freed");
}

static TURNS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static ASTRAY: AtomicU64 = AtomicU64::new(0);
static WANTED: AtomicU64 = AtomicU64::new(0);

static TEST_THREADS: PerCpuThread = PerCpuThread {
    name: "pcpu_test",
    attributes: Attributes::NORMAL,
    should_run: |cpu| WANTED.load(Ordering::SeqCst) & (1 << cpu) != 0,
    work: turn,
    online: check_place,
    offline: check_place,
    created: |_, _| {},
    kept_apart: false,
};

fn check_place(cpu: CpuId) {
    if machine::cpu::id() != cpu {
        ASTRAY.fetch_add(1, Ordering::SeqCst);
    }
}

fn turn(cpu: CpuId) {
    check_place(cpu);
    WANTED.fetch_and(!(1 << cpu), Ordering::SeqCst);
    TURNS[cpu].fetch_add(1, Ordering::SeqCst);
}

fn wait_for_turn(cpu: CpuId) {
    let before = TURNS[cpu].load(Ordering::SeqCst);
    WANTED.fetch_or(1 << cpu, Ordering::SeqCst);
    smpboot::wake(cpu);
    while TURNS[cpu].load(Ordering::SeqCst) == before {
        sched::sleep_for(1_000);
    }
}

pub(crate) fn against_hotplug() {
    ASTRAY.store(0, Ordering::SeqCst);
    smpboot::register(&TEST_THREADS).expect("its threads can be made");
    let all = cpus();
    for &cpu in &all {
        wait_for_turn(cpu);
    }
    for &cpu in all.iter().skip(1) {
        dawdle();
        hotplug::down(cpu).expect("it is not the last");
        dawdle();
        hotplug::up(cpu).expect("it was there before");
        wait_for_turn(cpu);
    }
    smpboot::unregister(&TEST_THREADS);
    assert_eq!(ASTRAY.load(Ordering::SeqCst), 0, "a per-CPU thread ran elsewhere");
}

/// A real-time thread parks a fair one on its own CPU, which needs that CPU to get to its parking place.
pub(crate) fn by_a_real_time_thread() {
    const LONG: u64 = 300 * time::MILLISECOND + PATIENCE;
    let took = Arc::new(AtomicU64::new(0));
    let said = took.clone();
    let fifo = Attributes { policy: Policy::Fifo, priority: 50, ..Attributes::NORMAL };
    let parker = move |_: &kthread::This| {
        for _ in 0..3 {
            let before = time::monotonic();
            let made = Builder::new(format_args!("fair")).cpu(0).create(|this| {
                while !this.should_stop() {
                    this.park_if_asked();
                    this.sleep(time::MILLISECOND);
                }
                0
            });
            let parked = made.expect("a thread can be made").park();
            said.fetch_max(time::monotonic() - before, Ordering::SeqCst);
            parked.stop();
        }
        0
    };
    let thread = Builder::new(format_args!("fifo")).cpu(0).attributes(fifo).run(parker);
    thread.expect("a thread can be made").join();
    let took = took.load(Ordering::SeqCst);
    assert!(took < LONG, "parking took {} us", took / time::MICROSECOND);
}

/// Somebody waits for a thread to park, which never looks, and somebody else does not want it any more: the wait is over.
pub(crate) fn unparked_before_it_parks() {
    let thread = Arc::new(spawn("deaf", |this| {
        while !this.should_stop() {
            sched::sleep_for(random(20_000));
        }
        0
    }));
    for _ in 0..4 {
        let (theirs, asks) = (thread.clone(), Arc::new(AtomicBool::new(false)));
        let says = asks.clone();
        let parker = spawn("parker", move |_| {
            says.store(true, Ordering::SeqCst);
            // Asked to park before its first step, it does that; otherwise it never does.
            let parked = theirs.park();
            i32::from(!matches!(parked, Ok(()) | Err(Errno::ESRCH)))
        });
        // From then on it sleeps until it has what it wants, or is told that nobody wants it any more.
        let sleeps = || parker.task().state() & OFF_QUEUE != 0;
        while !(parker.has_ended() || asks.load(Ordering::SeqCst) && sleeps()) {
            sched::yield_now();
        }
        dawdle();
        thread.unpark();
        assert_eq!(parker.join(), Exit::Returned(0));
    }
    let thread = Arc::into_inner(thread).expect("the parkers are gone");
    assert!(matches!(thread.stop(), Exit::Returned(0) | Exit::NeverRan));
}
