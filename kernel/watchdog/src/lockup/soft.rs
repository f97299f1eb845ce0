//! Soft lockups: a CPU that takes interrupts and does not switch tasks.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kthread::backtrace;
use machine::CpuId;
use sched::watch;
use sync::{PerCpu, per_cpu};
use taint::Flag;

use super::{SOFTLOCKUP_ALL_CPU_BACKTRACE, SOFTLOCKUP_PANIC, Watch, cpu, is_enabled, threshold};
/// What is known of a CPU. Written on that CPU only.
struct State {
    /// When `watchdog/N` ran last, or when the watch began.
    switched: AtomicU64,
    /// The same, or when the lockup that goes on was last reported.
    reported: AtomicU64,
}

static STATES: PerCpu<State> =
    per_cpu!(State { switched: AtomicU64::new(0), reported: AtomicU64::new(0) });

/// This CPU switches tasks, or may take its time from now on.
pub(super) fn start_over(cpu: CpuId, now: u64) {
    let state = STATES.of(cpu);
    state.switched.store(now, Relaxed);
    state.reported.store(now, Relaxed);
}

/// The timer of this CPU, which works, has expired.
pub(super) fn look(cpu: CpuId, now: u64) {
    if watch::take_soft_touch(cpu) {
        start_over(cpu, now);
    }
    cpu::wake_thread(cpu);
    let state = STATES.of(cpu);
    let limit = 2 * threshold().unsigned_abs() * time::SECOND;
    if is_enabled(Watch::Soft) && now.saturating_sub(state.reported.load(Relaxed)) > limit {
        state.reported.store(now, Relaxed);
        report(cpu, now.saturating_sub(state.switched.load(Relaxed)));
    }
}

fn report(cpu: CpuId, stuck: u64) {
    let me = sched::current();
    let seconds = stuck / time::SECOND;
    let (comm, pid) = (me.comm(), me.pid());
    let line =
        format_args!("watchdog: BUG: soft lockup - CPU#{cpu} stuck for {seconds}s! [{comm}:{pid}]");
    klog::write_record(super::EMERGENCY, line);
    backtrace::print_modules();
    backtrace::print_interrupted();
    if SOFTLOCKUP_ALL_CPU_BACKTRACE.load(Relaxed) != 0 {
        backtrace::print_cpus(sched::online().without(cpu));
    }
    kthread::oops::add_taint(Flag::SoftLockup);
    if SOFTLOCKUP_PANIC.load(Relaxed) != 0 {
        kthread::oops::panic(format_args!("softlockup: hung tasks"));
    }
}
