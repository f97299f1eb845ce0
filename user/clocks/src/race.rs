//! A thread on each CPU: whoever reads a clock, by whatever way, and whenever the date is set forward, what was read before
//! anywhere is not later.

use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
};

use runtime::thread::{Stack, Thread};
use runtime::vdso::Vdso;
use runtime::{clock, sched};

use crate::same::{CLOCKS, nanoseconds};
use crate::{CPUS, Outcome};

/// How far the date is set ahead, in seconds: further than a thread may be held up between looking and setting.
const STEP: i64 = 1000;

static TURNS: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicBool = AtomicBool::new(false);
/// The latest time that anybody has read, of each clock.
static LATEST: [AtomicI64; CLOCKS.len()] = [const { AtomicI64::new(0) }; CLOCKS.len()];

pub(crate) fn never_back(cpus: usize, turns: u64) -> Outcome {
    TURNS.store(turns, Relaxed);
    let mut stacks = [const { None::<Stack> }; CPUS];
    let numbers = [const { AtomicU32::new(0) }; CPUS];
    let mut threads = [const { None::<Thread<'_>> }; CPUS];
    let places = stacks.iter_mut().zip(&numbers).zip(&mut threads).take(cpus);
    for (cpu, ((stack, number), thread)) in places.enumerate() {
        let stack = stack.insert(Stack::new().map_err(|_| "no memory for a stack")?);
        *thread = Some(Thread::start(stack, number, read, cpu).map_err(|_| "no thread")?);
    }
    // Waits for them.
    drop(threads);
    if WRONG.load(Relaxed) { Err("a clock goes back") } else { Ok(()) }
}

/// Thread 0 sets the date, too.
extern "C" fn read(cpu: usize) {
    let Some(vdso) = Vdso::find().filter(|_| sched::run_on(cpu).is_ok()) else {
        return WRONG.store(true, Relaxed);
    };
    for turn in 0..TURNS.load(Relaxed) {
        for (number, latest) in CLOCKS.into_iter().zip(&LATEST) {
            let before = latest.load(Acquire);
            let time = if turn % 8 == cpu as u64 {
                clock::gettime(number).map_err(drop)
            } else {
                vdso.clock_gettime(number).map_err(drop)
            };
            let now = time.map_or(-1, nanoseconds);
            if now < before {
                return WRONG.store(true, Relaxed);
            }
            latest.fetch_max(now, SeqCst);
        }
        if cpu == 0 && turn % 16 == 0 {
            let ahead = clock::gettime(0)
                .and_then(|[seconds, rest]| clock::settime(0, [seconds + STEP, rest]));
            if ahead.is_err() {
                return WRONG.store(true, Relaxed);
            }
        }
    }
}
