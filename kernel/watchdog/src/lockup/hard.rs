//! Hard lockups: a CPU that takes no interrupts. It cannot notice that itself; the CPU before it in the ring does.
//!
//! The watcher takes no lock that the other could hold: it compares how many interrupts the other has taken since the last
//! look. A CPU that rests takes none, and that is right, and it is not looked at; it takes one before it works again, so nothing
//! has to be forgotten in between. Nor when a CPU gets another watcher: the count says the same to each.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kthread::backtrace;
use machine::CpuId;
use sched::{CpuMask, watch};
use sync::{PerCpu, per_cpu};

use super::{HARDLOCKUP_ALL_CPU_BACKTRACE, HARDLOCKUP_PANIC, Watch, is_enabled, threshold};
/// What is known of a CPU. Written by whoever watches it, and true whoever that is.
struct State {
    /// How many interrupts it had taken, and when that was first seen.
    taken: AtomicU64,
    since: AtomicU64,
    reported: AtomicBool,
}

static STATES: PerCpu<State> = per_cpu!(State {
    // No count: the first look begins with its own.
    taken: AtomicU64::new(u64::MAX),
    since: AtomicU64::new(0),
    reported: AtomicBool::new(false),
});

/// This CPU's timer has expired: looks at another CPU, which works.
pub(super) fn look(other: CpuId, now: u64) {
    let state = STATES.of(other);
    let taken = interrupts_taken(other);
    let was_touched = watch::take_hard_touch(other);
    if state.taken.load(Relaxed) != taken || was_touched || !is_enabled(Watch::Hard) {
        state.taken.store(taken, Relaxed);
        state.since.store(now, Relaxed);
        state.reported.store(false, Relaxed);
        return;
    }
    let stuck = now.saturating_sub(state.since.load(Relaxed));
    if stuck >= threshold().unsigned_abs() * time::SECOND && !state.reported.swap(true, Relaxed) {
        report(other);
    }
}

/// Interrupts that the CPU could have kept out.
fn interrupts_taken(cpu: CpuId) -> u64 {
    let counts = machine::irq::counts(cpu);
    counts.timer + counts.reschedule + counts.call_function + counts.tlb + counts.console
}

fn report(other: CpuId) {
    let line = format_args!("NMI watchdog: Watchdog detected hard LOCKUP on cpu {other}");
    klog::write_record(super::EMERGENCY, line);
    backtrace::print_modules();
    backtrace::print_cpus(CpuMask::of(other));
    if HARDLOCKUP_ALL_CPU_BACKTRACE.load(Relaxed) != 0 {
        backtrace::print_cpus(sched::online().without(machine::cpu::id()).without(other));
    }
    if HARDLOCKUP_PANIC.load(Relaxed) != 0 {
        kthread::oops::panic(format_args!("Hard LOCKUP"));
    }
}
