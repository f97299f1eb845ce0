//! A thread that is registered knows its CPU, and is never half through a sequence when it comes back to it.

use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use runtime::thread::{Stack, Thread};
use runtime::{process, sched, signal};

use crate::sequence::{Area, Counter};
use crate::{CPUS, Outcome};

pub(crate) fn number_of_cpu(cpus: usize) -> Outcome {
    let area = Area::new();
    area.register().map_err(|_| "cannot register")?;
    for _ in 0..50 {
        for cpu in 0..cpus {
            sched::run_on(cpu).map_err(|_| "cannot choose a CPU")?;
            let seen = (area.cpu_id.load(Relaxed), area.cpu_id_start.load(Relaxed));
            if seen != (cpu as u32, cpu as u32) {
                return Err("another CPU");
            }
        }
    }
    area.unregister().map_err(|_| "cannot unregister")?;
    sched::run_on_all().map_err(|_| "cannot choose all CPUs")?;
    if area.cpu_id.load(Relaxed) != u32::MAX || area.cpu_id_start.load(Relaxed) != 0 {
        return Err("unregistered, and the area does not say so");
    }
    Ok(())
}

/// More than there are CPUs, so that they are preempted.
const THREADS: usize = 12;
const ADDITIONS: u64 = 1500;
/// How long a thread stays between load and store.
const TURNS: u32 = 3000;

static COUNTERS: [Counter; CPUS] = [const { Counter(AtomicU64::new(0)) }; CPUS];
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicBool = AtomicBool::new(false);

pub(crate) fn counters(cpus: usize) -> Outcome {
    let mut stacks = [const { None::<Stack> }; THREADS];
    let numbers = [const { AtomicU32::new(0) }; THREADS];
    let mut threads = [const { None::<Thread<'_>> }; THREADS];
    for ((stack, number), thread) in stacks.iter_mut().zip(&numbers).zip(&mut threads) {
        let stack = stack.insert(Stack::new().map_err(|_| "no memory for a stack")?);
        *thread = Some(Thread::start(stack, number, add, cpus).map_err(|_| "no thread")?);
    }
    drop(threads);
    if WRONG.load(Relaxed) {
        return Err("a thread cannot register");
    }
    let sum: u64 = COUNTERS.iter().map(|counter| counter.0.load(Relaxed)).sum();
    if sum != ADDITIONS * THREADS as u64 {
        return Err("an addition was lost or made twice");
    }
    if INTERRUPTED.load(Relaxed) == 0 {
        return Err("nobody was interrupted, so nothing was shown");
    }
    Ok(())
}

extern "C" fn add(_cpus: usize) {
    let area = Area::new();
    if area.register().is_err() {
        return WRONG.store(true, Relaxed);
    }
    let mut left = ADDITIONS;
    while left > 0 {
        if area.try_add(&COUNTERS, TURNS) {
            left -= 1;
        } else {
            INTERRUPTED.fetch_add(1, Relaxed);
        }
    }
    if area.unregister().is_err() {
        WRONG.store(true, Relaxed);
    }
}

static READY: AtomicBool = AtomicBool::new(false);
static OVER: AtomicBool = AtomicBool::new(false);
static CAUGHT: AtomicU32 = AtomicU32::new(0);
static AREA: Area = Area::new();
const SIGUSR1: i32 = 10;

/// The handler returns to where an interrupted sequence goes on.
pub(crate) fn signal_ends_a_sequence() -> Outcome {
    extern "C" fn catch(_: i32) {
        CAUGHT.fetch_add(1, Relaxed);
        // Whatever the sequence was, the frame below is outside of it.
        if AREA.sequence.load(Relaxed) != 0 {
            WRONG.store(true, Relaxed);
        }
    }
    extern "C" fn send(pid: usize) {
        while !READY.load(Acquire) {
            core::hint::spin_loop();
        }
        // As soon as the other is in its sequence, one is enough; until then it comes too early.
        while !OVER.load(Acquire) {
            process::sleep(5);
            let _ = process::kill(pid as i32, SIGUSR1);
        }
    }
    signal::handle(SIGUSR1, catch).map_err(|_| "no handler")?;
    let (mut stack, number) = (Stack::new().map_err(|_| "no stack")?, AtomicU32::new(0));
    AREA.register().map_err(|_| "cannot register")?;
    let sender = Thread::start(&mut stack, &number, send, process::id() as usize);
    let sender = sender.map_err(|_| "no thread")?;
    READY.store(true, Release);
    AREA.wait_for_interruption();
    OVER.store(true, Release);
    drop(sender);
    AREA.unregister().map_err(|_| "cannot unregister")?;
    if WRONG.load(Relaxed) {
        return Err("a handler returns into a sequence");
    }
    if CAUGHT.load(Relaxed) == 0 { Err("no signal came") } else { Ok(()) }
}
