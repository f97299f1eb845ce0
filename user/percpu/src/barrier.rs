//! `membarrier`: what is refused, and whether it orders what the other CPU does without barriers.

use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    compiler_fence,
};

use runtime::sys::{self, number};
use runtime::thread::{Stack, Thread};
use runtime::{Errno, Result, error, process, sched};

use crate::Outcome;
use crate::sequence::Area;

const PRIVATE_EXPEDITED: usize = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: usize = 1 << 4;
const PRIVATE_EXPEDITED_RSEQ: usize = 1 << 7;
const REGISTER_PRIVATE_EXPEDITED_RSEQ: usize = 1 << 8;
const FLAG_CPU: usize = 1;

fn membarrier(command: usize, flags: usize, cpu: usize) -> Result<usize> {
    // SAFETY: the call touches no memory.
    error::check(unsafe { sys::call(number::MEMBARRIER, [command, flags, cpu, 0, 0, 0]) })
}

pub(crate) fn register() -> Result<usize> {
    membarrier(REGISTER_PRIVATE_EXPEDITED, 0, 0)
}

/// Whether the program has registered for nothing.
pub(crate) fn is_unregistered() -> bool {
    membarrier(PRIVATE_EXPEDITED, 0, 0) == Err(Errno(1))
}

pub(crate) fn refused() -> Outcome {
    const EPERM: Result<usize> = Err(Errno(1));
    const EINVAL: Result<usize> = Err(Errno(22));
    let steps = [
        (0, 0, 0, Ok(0x1ff)),
        (0, 1, 0, EINVAL),
        (1 << 9, 0, 0, EINVAL),
        (3, 0, 0, EINVAL),
        (usize::MAX, 0, 0, EINVAL),
        (1 << 0, 0, 0, Ok(0)),
        (1 << 0, FLAG_CPU, 0, EINVAL),
        (1 << 1, 0, 0, Ok(0)),
        (1 << 2, 0, 0, Ok(0)),
        (1 << 5, 0, 0, EPERM),
        (PRIVATE_EXPEDITED_RSEQ, 0, 0, EPERM),
        (1 << 6, 0, 0, Ok(0)),
        (1 << 5, 0, 0, Ok(0)),
        (REGISTER_PRIVATE_EXPEDITED, 0, 0, Ok(0)),
        (PRIVATE_EXPEDITED, 0, 0, Ok(0)),
        (PRIVATE_EXPEDITED, FLAG_CPU, 0, EINVAL),
        (REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0, Ok(0)),
        (PRIVATE_EXPEDITED_RSEQ, 0, 0, Ok(0)),
        (PRIVATE_EXPEDITED_RSEQ, FLAG_CPU, 0, Ok(0)),
        (PRIVATE_EXPEDITED_RSEQ, FLAG_CPU, 4096, EINVAL),
        (PRIVATE_EXPEDITED_RSEQ, 2, 0, EINVAL),
    ];
    for (command, flags, cpu, expected) in steps {
        if membarrier(command, flags, cpu) != expected {
            return Err("another answer");
        }
    }
    Ok(())
}

static OVER: AtomicBool = AtomicBool::new(false);

/// A thread in a sequence that only an interruption ends is alone on its CPU, and is got out of it.
pub(crate) fn sequence_starts_over() -> Outcome {
    extern "C" fn wait(_: usize) {
        let area = Area::new();
        if sched::run_on(1).and(area.register()).is_ok() {
            area.wait_for_interruption();
        }
        OVER.store(true, Release);
    }
    sched::run_on(0).map_err(|_| "cannot choose a CPU")?;
    let (mut stack, number) = (Stack::new().map_err(|_| "no stack")?, AtomicU32::new(0));
    let thread = Thread::start(&mut stack, &number, wait, 0).map_err(|_| "no thread")?;
    let mut turns = 0;
    while !OVER.load(Acquire) && turns < 100 {
        process::sleep(5);
        membarrier(PRIVATE_EXPEDITED_RSEQ, 0, 0).map_err(|_| "no barrier")?;
        turns += 1;
    }
    if turns == 100 {
        return Err("a sequence does not start over");
    }
    drop(thread);
    Ok(())
}

/// Two sides of a lock that each says that it wants in, and goes in if the other has not said so. The fast one has no barrier
/// between saying and looking, and the slow one has one for both.
static FAST: AtomicBool = AtomicBool::new(false);
static SLOW: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static BOTH: AtomicBool = AtomicBool::new(false);
static DONE: AtomicBool = AtomicBool::new(false);
const ROUNDS: u32 = 5000;

fn inside(who: usize) {
    INSIDE.store(who, Relaxed);
    for _ in 0..20 {
        core::hint::spin_loop();
        if INSIDE.load(Relaxed) != who {
            BOTH.store(true, Relaxed);
        }
    }
}

pub(crate) fn order() -> Outcome {
    extern "C" fn fast(_: usize) {
        let _ = sched::run_on(1);
        while !DONE.load(Relaxed) {
            FAST.store(true, Relaxed);
            compiler_fence(Acquire);
            if !SLOW.load(Relaxed) {
                inside(1);
            }
            FAST.store(false, Release);
            for _ in 0..10 {
                core::hint::spin_loop();
            }
        }
    }
    sched::run_on(0).map_err(|_| "cannot choose a CPU")?;
    let (mut stack, number) = (Stack::new().map_err(|_| "no stack")?, AtomicU32::new(0));
    let thread = Thread::start(&mut stack, &number, fast, 0).map_err(|_| "no thread")?;
    for _ in 0..ROUNDS {
        SLOW.store(true, Relaxed);
        membarrier(PRIVATE_EXPEDITED, 0, 0).map_err(|_| "no barrier")?;
        if !FAST.load(Acquire) {
            inside(2);
        }
        SLOW.store(false, Release);
    }
    DONE.store(true, Relaxed);
    drop(thread);
    if BOTH.load(Relaxed) { Err("both are inside") } else { Ok(()) }
}
