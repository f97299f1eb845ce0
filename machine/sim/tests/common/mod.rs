//! A kernel of a few lines: entry points that count, and CPUs that can be given something to do.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use contract::{Access, Frame, Ipi, NodeId, Oops, Upcalls};
use machine_sim::sim::{self, Config, Failure, Outcome, Summary};
use machine_sim::thread::{Context, Stack};
use machine_sim::{cpu, irq};

pub(crate) static TIMERS: AtomicU64 = AtomicU64::new(0);
pub(crate) static RESCHEDULES: AtomicU64 = AtomicU64::new(0);
pub(crate) static CALLS: AtomicU64 = AtomicU64::new(0);
pub(crate) static CONSOLE: AtomicU64 = AtomicU64::new(0);
pub(crate) static EXITS: AtomicU64 = AtomicU64::new(0);
/// What to call in place of failing the run at an oops.
pub(crate) static ON_OOPS: AtomicUsize = AtomicUsize::new(0);

fn taken(counter: &AtomicU64) {
    assert!(!irq::enabled());
    assert_eq!(
        cpu::preempt_count() & contract::preempt::HARDIRQ_MASK,
        contract::preempt::HARDIRQ_UNIT
    );
    counter.fetch_add(1, SeqCst);
}

fn on_oops(oops: &Oops<'_>) -> ! {
    let handler = ON_OOPS.load(SeqCst);
    if handler == 0 {
        sim::fail_oops(oops);
    }
    // SAFETY: only `fn(&Oops) -> !` pointers are stored.
    let handler: fn(&Oops<'_>) -> ! = unsafe { std::mem::transmute(handler) };
    handler(oops)
}

pub(crate) static FRAMES: AtomicUsize = AtomicUsize::new(1000);
pub(crate) static FREED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn new_frame() -> Frame {
    // SAFETY: each number is given out once.
    unsafe { Frame::from_number(FRAMES.fetch_add(1, SeqCst)) }
}

fn allocate(_: Option<NodeId>) -> Option<Frame> {
    if sim::should_fail("page") { None } else { Some(new_frame()) }
}

fn free(frame: Frame) {
    let _ = frame.into_number();
    FREED.fetch_add(1, SeqCst);
}

fn no_page(_: usize, _: Access) -> bool {
    false
}

pub(crate) static UPCALLS: Upcalls = Upcalls {
    timer: || taken(&TIMERS),
    reschedule: || taken(&RESCHEDULES),
    call_function: || taken(&CALLS),
    console_input: || taken(&CONSOLE),
    interrupt_exit: || {
        assert_eq!(cpu::preempt_count() & contract::preempt::HARDIRQ_MASK, 0);
        EXITS.fetch_add(1, SeqCst);
    },
    user_fault: no_page,
    allocate_frame: allocate,
    free_frame: free,
    free_zeroed_frame: free,
    oops: on_oops,
    nmi: |_| (),
};

/// Starts the other CPUs, each in `entry`.
pub(crate) fn start_others(entry: fn() -> !) {
    for id in 1..cpu::count() {
        let stack = Stack::new(0).expect("a stack");
        let context = Box::leak(Box::new(Context::new(stack, entry)));
        cpu::start(id, context).expect("a CPU");
    }
}

/// A CPU with nothing to do.
pub(crate) fn idle() -> ! {
    loop {
        let _ = irq::disable();
        cpu::wait_for_interrupt();
    }
}

pub(crate) fn run(seed: u64, cpus: usize, entry: fn()) -> Outcome {
    sim::run(&Config { seed, cpus, ..Config::default() }, entry)
}

#[track_caller]
pub(crate) fn passes(seed: u64, cpus: usize, entry: fn()) -> Summary {
    match run(seed, cpus, entry) {
        Outcome::Passed(summary) => summary,
        Outcome::Failed(failure) => panic!("{failure}"),
    }
}

#[track_caller]
pub(crate) fn fails(seed: u64, cpus: usize, entry: fn()) -> Failure {
    match run(seed, cpus, entry) {
        Outcome::Failed(failure) => failure,
        Outcome::Passed(summary) => panic!("passed: {summary:?}"),
    }
}

pub(crate) fn send_all(ipi: Ipi) {
    for id in 0..cpu::count() {
        irq::send(id, ipi);
    }
}
