//! Hard lockups: a CPU that takes no interrupts. It cannot notice that itself; the CPU before it in the ring does.
//!
//! The watcher takes no lock that the other could hold: it compares how many interrupts the other has taken since the last
//! look. A CPU that rests takes none, and that is right; one that has tasks waiting and still looks idle does not rest.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use kthread::backtrace;
use machine::CpuId;
use sched::watch;
use sync::{PerCpu, per_cpu};

use super::{HARDLOCKUP_ALL_CPU_BACKTRACE, HARDLOCKUP_PANIC, Watch, is_enabled, threshold};
use crate::report;

/// What a watcher knows of the CPU that it watches. Written on the watcher only.
struct State {
    /// The other CPU's number, plus one; 0: none was looked at yet.
    other: AtomicUsize,
    /// How many interrupts it had taken, and when that was first seen.
    taken: AtomicU64,
    since: AtomicU64,
    reported: AtomicBool,
}

static STATES: PerCpu<State> = per_cpu!(State {
    other: AtomicUsize::new(0),
    taken: AtomicU64::new(0),
    since: AtomicU64::new(0),
    reported: AtomicBool::new(false),
});

/// What this watcher has seen so far does not count any more.
pub(super) fn start_over(watcher: CpuId) {
    STATES.of(watcher).other.store(0, Relaxed);
}

/// The timer of this CPU has expired: looks at the other.
pub(super) fn look(watcher: CpuId, other: CpuId, now: u64) {
    let state = STATES.of(watcher);
    let taken = interrupts_taken(other);
    let was_touched = watch::take_hard_touch(other);
    let goes_on = state.other.load(Relaxed) != other + 1
        || state.taken.load(Relaxed) != taken
        || was_touched
        || watch::rests(other);
    if goes_on || !is_enabled(Watch::Hard) {
        state.other.store(other + 1, Relaxed);
        state.taken.store(taken, Relaxed);
        state.since.store(now, Relaxed);
        state.reported.store(false, Relaxed);
        return;
    }
    let stuck = now.saturating_sub(state.since.load(Relaxed));
    if stuck >= threshold().unsigned_abs() * time::SECOND && !state.reported.swap(true, Relaxed) {
        report(watcher, other);
    }
}

/// Interrupts that the CPU could have kept out.
fn interrupts_taken(cpu: CpuId) -> u64 {
    let counts = machine::irq::counts(cpu);
    counts.timer + counts.reschedule + counts.call_function + counts.tlb + counts.console
}

fn report(watcher: CpuId, other: CpuId) {
    report::emergency(format_args!("NMI watchdog: Watchdog detected hard LOCKUP on cpu {other}"));
    backtrace::print_cpu(other);
    if HARDLOCKUP_ALL_CPU_BACKTRACE.load(Relaxed) != 0 {
        report::print_other_cpus(&[watcher, other]);
    }
    if HARDLOCKUP_PANIC.load(Relaxed) != 0 {
        kthread::oops::panic(format_args!("Hard LOCKUP"));
    }
}
