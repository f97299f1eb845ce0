//! Deadline tasks and several CPUs: each shows what it has, and those with the latest deadlines take what waits at others.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use machine::CpuId;
use sync::{PerCpu, per_cpu};

use crate::affinity;
use crate::cpumask::CpuMask;
use crate::wake::{is_idle, reschedule};

/// No deadline: later than all others.
pub(crate) const NEVER: u64 = u64::MAX;

/// What a CPU shows of its deadline tasks. Written with its run queue locked.
///
/// SeqCst: a CPU shows what waits in vain there and then looks who could take it; another shows that it could, and then looks what there
/// is to take. One of the two sees the other.
struct View {
    /// The earliest deadline of those that run or wait there.
    earliest: AtomicU64,
    /// The earliest of those that wait and will not run next.
    excess: AtomicU64,
}

static VIEWS: PerCpu<View> =
    per_cpu!(View { earliest: AtomicU64::new(NEVER), excess: AtomicU64::new(NEVER) });

/// The CPUs where deadline tasks wait, so that a CPU that chooses finds out with one load that there are none.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// Whether a deadline task waits somewhere: here, or where it may not be run soon enough.
#[inline]
pub(crate) fn somebody_waits() -> bool {
    WAITING.load(SeqCst) != 0
}

/// Shows what a CPU has, and asks another one to take what is too much. With its run queue locked.
pub(crate) fn publish(cpu: CpuId, waits: bool, earliest: u64, excess: u64) {
    let view = VIEWS.of(cpu);
    view.earliest.store(earliest, SeqCst);
    view.excess.store(excess, SeqCst);
    let bit = CpuMask::of(cpu).bits();
    // Only this queue's lock holder changes its bit.
    if waits != (WAITING.load(SeqCst) & bit != 0) {
        if waits {
            WAITING.fetch_or(bit, SeqCst)
        } else {
            WAITING.fetch_and(!bit, SeqCst)
        };
    }
    if excess == NEVER {
        return;
    }
    let others = affinity::active().without(cpu);
    if let Some(taker) = latest(others, cpu)
        && VIEWS.of(taker).earliest.load(SeqCst) > excess
    {
        reschedule(taker);
    }
}

/// What a CPU shows: whether tasks wait, the earliest deadline, and the earliest in vain. With its run queue locked.
pub(crate) fn shown(cpu: CpuId) -> (bool, u64, u64) {
    let view = VIEWS.of(cpu);
    let waits = CpuMask::from_bits(WAITING.load(SeqCst)).contains(cpu);
    (waits, view.earliest.load(SeqCst), view.excess.load(SeqCst))
}

/// The CPU whose earliest deadline is the latest; of those without any, an idle one; else `preferred`, if that is one of them.
fn latest(cpus: CpuMask, preferred: CpuId) -> Option<CpuId> {
    let rank = |cpu: CpuId| (VIEWS.of(cpu).earliest.load(SeqCst), is_idle(cpu), cpu == preferred);
    cpus.iter().max_by_key(|&cpu| rank(cpu))
}

/// Where a deadline task should be woken: where it runs at once, at its old CPU if that is as good as any.
pub(crate) fn choose_cpu(candidates: CpuMask, previous: CpuId, deadline: u64) -> CpuId {
    let best = latest(candidates, previous).unwrap_or(previous);
    if VIEWS.of(best).earliest.load(SeqCst) <= deadline && candidates.contains(previous) {
        previous
    } else {
        best
    }
}

/// The other CPU whose excess is the earliest, if that is before `ours`.
pub(crate) fn most_urgent_other(cpu: CpuId, ours: u64) -> Option<CpuId> {
    let waiting = CpuMask::from_bits(WAITING.load(SeqCst)).without(cpu);
    let excess = |other: CpuId| VIEWS.of(other).excess.load(SeqCst);
    let urgent = waiting.iter().min_by_key(|&other| excess(other))?;
    (excess(urgent) < ours).then_some(urgent)
}
