//! What happens when a program touches memory and there is none: somebody else's is taken.
//!
//! The process with the most memory in use is killed, as Linux's badness says it (`oom_score_adj`
//! counts in thousandths of all memory). The one that found none waits a little and tries again; it
//! may well be the one that was chosen.

use machine::PAGE_SIZE;
use process::{SigInfo, Signal, Thread, init_pid_ns, process_of, signal_process};
use sched::{Mutex, TaskRef};
use sync::LockClass;
use time::MILLISECOND;

/// Taken by tasks that hold whatever a copy to user memory may be made under; takes address spaces'
/// locks inside, for reading.
static ROOM_LOCK: LockClass = LockClass::new("out_of_memory");

/// One at a time looks for room: the others then find it made.
static ROOM: Mutex<()> = Mutex::new(&ROOM_LOCK, ());

/// How long to wait for the memory of somebody who is ending.
const PATIENCE: u64 = 2 * MILLISECOND;

/// The least `oom_score_adj`: never killed.
const NEVER: i64 = -1000;

/// Makes room by a process's end, or finds one under way, and waits a little. False: the running
/// task is ending itself, or nobody is left to be ended. Allocates nothing. May sleep.
pub(crate) fn make_room() -> bool {
    // Whoever does not get the turn waits as if it had had it: a queue of all who have no memory
    // would need some.
    if let Some(_turn) = ROOM.try_lock()
        && memory::require_free().is_err()
    {
        match choose() {
            Choice::Victim(victim) => kill(&victim),
            Choice::Ending => {}
            Choice::Nobody => return false,
        }
    }
    sched::sleep_for(PATIENCE);
    !sched::current().fatal_signal_pending()
}

enum Choice {
    /// The leader of the process whose end gives the most.
    Victim(TaskRef),
    /// Somebody is ending already.
    Ending,
    Nobody,
}

fn choose() -> Choice {
    let total = (memory::total_bytes() / PAGE_SIZE) as i64;
    let mut worst: Option<(i64, TaskRef)> = None;
    let mut number = 1;
    while let Some((found, pid)) = init_pid_ns().next_from(number) {
        number = found + 1;
        let Some(leader) = pid.task().filter(|task| Thread::of(task).is_leader()) else {
            continue;
        };
        let Some(pages) = resident_pages(&leader) else { continue };
        if leader.fatal_signal_pending() {
            return Choice::Ending;
        }
        let process = process_of(&leader);
        let adjustment = i64::from(process.oom_score_adj());
        if process.pid().is_namespace_init() || adjustment == NEVER {
            continue;
        }
        let badness = pages + adjustment * total / 1000;
        if worst.as_ref().is_none_or(|(most, _)| badness > *most) {
            worst = Some((badness, leader));
        }
    }
    worst.map_or(Choice::Nobody, |(_, leader)| Choice::Victim(leader))
}

/// None: it has no memory, or none any more.
fn resident_pages(leader: &TaskRef) -> Option<i64> {
    Some(Thread::of(leader).mm()?.statistics().resident as i64)
}

fn kill(leader: &TaskRef) {
    let kib = resident_pages(leader).unwrap_or(0) * (PAGE_SIZE as i64 / 1024);
    log::error!("Out of memory: Killed process {} ({}) rss:{kib}kB", leader.pid(), leader.comm());
    // It may have ended by itself meanwhile.
    let _ = signal_process(process_of(leader), SigInfo::kernel(Signal::SIGKILL));
}
