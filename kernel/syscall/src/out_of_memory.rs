//! What happens when a program touches memory and there is none: somebody else's is taken.
//!
//! The process with the most memory in use is killed, as Linux's badness says it (`oom_score_adj` counts in thousandths of all memory). The one that
//! found none waits a little and tries again; it may well be the one that was chosen.

use alloc::sync::Arc;

use machine::PAGE_SIZE;
use process::{Process, SigInfo, Signal, Thread, processes, signal_process};
use time::MILLISECOND;

/// How long to wait for the memory of somebody who is ending.
const PATIENCE: u64 = 2 * MILLISECOND;

/// The least `oom_score_adj`: never killed.
const NEVER: i64 = -1000;

/// Makes room by a process's end, or finds one under way, and waits a little. False: the running task is ending itself, or nobody is left to be
/// ended. May sleep.
pub fn make_room() -> bool {
    if sched::current().fatal_signal_pending() {
        return false;
    }
    if let Some(victim) = choose() {
        kill(&victim);
    } else if !somebody_is_ending() {
        return false;
    }
    sched::sleep_for(PATIENCE);
    !sched::current().fatal_signal_pending()
}

/// Whether a process is being killed that still has memory.
fn somebody_is_ending() -> bool {
    processes().iter().any(|process| is_ending(process))
}

fn is_ending(process: &Process) -> bool {
    process
        .threads()
        .iter()
        .any(|task| task.fatal_signal_pending() && Thread::of(task).mm().is_some())
}

/// The process whose end gives the most; none if one is ending already.
fn choose() -> Option<Arc<Process>> {
    let total = (memory::total_bytes() / PAGE_SIZE) as i64;
    let mut worst: Option<(i64, Arc<Process>)> = None;
    for process in processes() {
        if is_ending(&process) {
            return None;
        }
        let adjustment = i64::from(process.oom_score_adj());
        if process.pid().is_namespace_init() || adjustment == NEVER {
            continue;
        }
        let Some(pages) = resident_pages(&process) else { continue };
        let badness = pages + adjustment * total / 1000;
        if worst.as_ref().is_none_or(|(most, _)| badness > *most) {
            worst = Some((badness, process));
        }
    }
    worst.map(|(_, process)| process)
}

fn resident_pages(process: &Process) -> Option<i64> {
    let threads = process.threads();
    let mm = threads.iter().find_map(|task| Thread::of(task).mm())?;
    Some(mm.statistics().resident as i64)
}

fn kill(victim: &Arc<Process>) {
    if let Some(leader) = victim.leader() {
        let kib = resident_pages(victim).unwrap_or(0) * (PAGE_SIZE as i64 / 1024);
        log::error!(
            "Out of memory: Killed process {} ({}) rss:{kib}kB",
            leader.pid(),
            leader.comm()
        );
    }
    // It may have ended by itself meanwhile.
    let _ = signal_process(victim, SigInfo::kernel(Signal::SIGKILL));
}
