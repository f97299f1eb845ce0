//! The scheduler's trace events, from tasks.

use trace::{
    Comm, PREEMPTED, Running, SCHED_MIGRATE_TASK, SCHED_SWITCH, SCHED_WAKEUP, SCHED_WAKEUP_NEW,
    SCHED_WAKING, SchedMigrateTask, SchedSwitch, SchedWakeup,
};

use machine::CpuId;

use crate::current::{current, has_current};
use crate::state;
use crate::task::Task;

impl Task {
    /// Its `comm`, number and priority as trace events show them. Interrupts off.
    pub fn trace_identity(&self) -> (Comm, i32, i32) {
        let name = self.try_comm();
        let name = name.as_ref().map_or(&b"?"[..], |comm| comm.as_bytes());
        (Comm::new(name), self.pid() as i32, self.priority_in_force())
    }
}

/// Which task runs, for every record.
pub(crate) fn running() -> Running {
    let mut running = Running { pid: 0, comm: [0; _] };
    if has_current() {
        let me = current();
        running.pid = me.pid();
        if let Some(comm) = me.try_comm() {
            running.comm[..comm.as_bytes().len()].copy_from_slice(comm.as_bytes());
        }
    }
    running
}

/// A state of ours in the bits of Linux's `TASK_*`.
fn linux_state(state: u32) -> i64 {
    match state {
        _ if state & state::DEAD != 0 => 0x10,
        _ if state & state::STOPPED != 0 => 0x4,
        _ if state & state::TRACED != 0 => 0x8,
        _ if state & state::PARKED != 0 => 0x40,
        _ if state & (state::UNINTERRUPTIBLE | state::NOLOAD)
            == state::UNINTERRUPTIBLE | state::NOLOAD =>
        {
            0x80
        }
        _ if state & (state::UNINTERRUPTIBLE | state::FROZEN) != 0 => 0x2,
        _ if state & state::INTERRUPTIBLE != 0 => 0x1,
        _ => 0,
    }
}

/// This CPU leaves one task for another. `slept_as`: the state in which the one that is left goes to sleep, if it does.
///
/// Here as below, all that is on the path is the test: what follows is a call with what is in registers anyhow.
#[inline(always)]
pub(crate) fn switch(previous: &Task, next: &Task, voluntary: bool, slept_as: u32) {
    if SCHED_SWITCH.is_on() {
        record_switch(previous, next, voluntary, slept_as);
    }
}

#[cold]
#[inline(never)]
fn record_switch(previous: &Task, next: &Task, voluntary: bool, slept_as: u32) {
    SCHED_SWITCH.record(|| {
        let (prev_comm, prev_pid, prev_prio) = previous.trace_identity();
        let (next_comm, next_pid, next_prio) = next.trace_identity();
        SchedSwitch {
            prev_comm,
            prev_pid,
            prev_prio,
            prev_state: match (voluntary || previous.is_idle(), previous.state()) {
                (false, _) => PREEMPTED,
                (true, state) if state & state::DEAD != 0 => linux_state(state),
                (true, _) => linux_state(slept_as),
            },
            next_comm,
            next_pid,
            next_prio,
        }
    });
}

/// Somebody has claimed a sleeping task.
#[inline(always)]
pub(crate) fn waking(task: &Task) {
    if SCHED_WAKING.is_on() {
        record_waking(task);
    }
}

#[cold]
#[inline(never)]
fn record_waking(task: &Task) {
    SCHED_WAKING.record(|| {
        let (comm, pid, prio) = task.trace_identity();
        SchedWakeup { comm, pid, prio, target_cpu: task.cpu() as i32 }
    });
}

/// A task is about to be queued on a CPU after its sleep in a state.
#[inline(always)]
pub(crate) fn wakeup(task: &Task, slept_as: u32, cpu: CpuId) {
    if SCHED_MIGRATE_TASK.is_on() | SCHED_WAKEUP.is_on() | SCHED_WAKEUP_NEW.is_on() {
        record_wakeup(task, slept_as, cpu);
    }
}

#[cold]
#[inline(never)]
fn record_wakeup(task: &Task, slept_as: u32, cpu: CpuId) {
    let target_cpu = cpu as i32;
    let is_new = slept_as & state::NEW != 0;
    migrate(task, cpu);
    SCHED_WAKEUP_NEW.record_some(|| {
        let (comm, pid, prio) = task.trace_identity();
        is_new.then_some(SchedWakeup { comm, pid, prio, target_cpu })
    });
    SCHED_WAKEUP.record_some(|| {
        let (comm, pid, prio) = task.trace_identity();
        (!is_new).then_some(SchedWakeup { comm, pid, prio, target_cpu })
    });
}

/// A task that is not running goes to a CPU, which may be the one where it is.
pub(crate) fn migrate(task: &Task, to: CpuId) {
    SCHED_MIGRATE_TASK.record_some(|| {
        let (comm, pid, prio) = task.trace_identity();
        (task.cpu() != to).then(|| SchedMigrateTask {
            comm,
            pid,
            prio,
            orig_cpu: task.cpu() as i32,
            dest_cpu: to as i32,
        })
    });
}
