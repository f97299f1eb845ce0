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

/// The CPUs with excess, so that a CPU finds out with one load that there is none.
static OVERLOADED: AtomicU64 = AtomicU64::new(0);

/// Whether a deadline task waits somewhere that may have to run elsewhere.
#[inline]
pub(crate) fn is_overloaded() -> bool {
    OVERLOADED.load(SeqCst) != 0
}

/// Shows what a CPU has, and asks another one to take what is too much. With its run queue locked.
pub(crate) fn publish(cpu: CpuId, earliest: u64, excess: u64) {
    let view = VIEWS.of(cpu);
    view.earliest.store(earliest, SeqCst);
    let before = view.excess.swap(excess, SeqCst);
    if excess == NEVER {
        if before != NEVER {
            OVERLOADED.fetch_and(!CpuMask::of(cpu).bits(), SeqCst);
        }
        return;
    }
    if before == NEVER {
        OVERLOADED.fetch_or(CpuMask::of(cpu).bits(), SeqCst);
    }
    let others = affinity::active().without(cpu);
    if let Some(taker) = latest(others, cpu)
        && VIEWS.of(taker).earliest.load(SeqCst) > excess
    {
        reschedule(taker);
    }
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
    let overloaded = CpuMask::from_bits(OVERLOADED.load(SeqCst)).without(cpu);
    let excess = |other: CpuId| VIEWS.of(other).excess.load(SeqCst);
    let urgent = overloaded.iter().min_by_key(|&other| excess(other))?;
    (excess(urgent) < ours).then_some(urgent)
}
