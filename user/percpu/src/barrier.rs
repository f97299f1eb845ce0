//! `membarrier`: what is refused, and who is interrupted.

use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Release},
};

use runtime::sys::{self, number};
use runtime::thread::{Stack, Thread};
use runtime::{Errno, Result, error, file, process, sched, string};

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
    const TURNS: u32 = 10_000;
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
    while !OVER.load(Acquire) && turns < TURNS {
        process::sleep(5);
        membarrier(PRIVATE_EXPEDITED_RSEQ, 0, 0).map_err(|_| "no barrier")?;
        turns += 1;
    }
    if turns == TURNS {
        return Err("a sequence does not start over");
    }
    drop(thread);
    Ok(())
}

/// How often a CPU was interrupted for other CPUs' sake, by `/proc/interrupts`.
fn interrupts(cpu: usize) -> Option<u64> {
    let mut buffer = [0; 8192];
    let text = file::read_file(c"/proc/interrupts", &mut buffer).ok()?;
    let line =
        text.split(|&byte| byte == b'\n').find(|line| line.trim_ascii().starts_with(b"TLB:"))?;
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    string::number(words.nth(1 + cpu)?)
}

static SPINS: AtomicBool = AtomicBool::new(false);
static ENOUGH: AtomicBool = AtomicBool::new(false);

/// A thread that runs in user mode on another CPU is interrupted once for each barrier. While the kernel has that CPU for something else there is
/// nobody to interrupt: so it is tried again.
pub(crate) fn interrupts_who_runs() -> Outcome {
    const BARRIERS: u64 = 200;
    const TRIES: u32 = 50;
    extern "C" fn spin(_: usize) {
        let _ = sched::run_on(1);
        SPINS.store(true, Release);
        while !ENOUGH.load(Acquire) {
            core::hint::spin_loop();
        }
    }
    sched::run_on(0).map_err(|_| "cannot choose a CPU")?;
    let (mut stack, number) = (Stack::new().map_err(|_| "no stack")?, AtomicU32::new(0));
    let thread = Thread::start(&mut stack, &number, spin, 0).map_err(|_| "no thread")?;
    while !SPINS.load(Acquire) {
        process::sleep(1);
    }
    let interrupted_by_each = || -> core::result::Result<bool, &'static str> {
        let before = interrupts(1).ok_or("no count of interrupts")?;
        for _ in 0..BARRIERS {
            membarrier(PRIVATE_EXPEDITED, 0, 0).map_err(|_| "no barrier")?;
        }
        let after = interrupts(1).ok_or("no count of interrupts")?;
        Ok(after >= before + BARRIERS)
    };
    let mut outcome = Ok(false);
    for _ in 0..TRIES {
        outcome = interrupted_by_each();
        if outcome != Ok(false) {
            break;
        }
    }
    ENOUGH.store(true, Release);
    drop(thread);
    if outcome? { Ok(()) } else { Err("a thread was not interrupted") }
}
