//! The events of the scheduler and of the life of a process.

use core::fmt;

use super::{Comm, Text};
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::Field;

/// A task's state as `sched_switch` shows it: the bits of Linux's `TASK_*`, in their letters.
struct StateLetters(i64);

impl fmt::Display for StateLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(i64, &str); 8] = [
            (0x1, "S"),
            (0x2, "D"),
            (0x4, "T"),
            (0x8, "t"),
            (0x10, "X"),
            (0x20, "Z"),
            (0x40, "P"),
            (0x80, "I"),
        ];
        let mut any = false;
        for (bit, letter) in LETTERS {
            if self.0 & bit != 0 {
                f.write_str(if any { "|" } else { "" })?;
                f.write_str(letter)?;
                any = true;
            }
        }
        if !any {
            f.write_str("R")?;
        }
        if self.0 & PREEMPTED != 0 { f.write_str("+") } else { Ok(()) }
    }
}

/// In `prev_state`: the task was preempted, and goes on where it was.
pub const PREEMPTED: i64 = 0x100;

records! {
    /// A kernel thread that is asked for something.
    SchedKthreadStop {
        /// Its name.
        comm: Comm,
        /// Its number.
        pid: i32,
    }
    format "\"comm=%s pid=%d\", REC->comm, REC->pid"
    print |e, out| write!(out, "comm={} pid={}", e.comm, e.pid);
    events {
        /// A kernel thread is asked to stop.
        sched "sched_kthread_stop" 330 SCHED_KTHREAD_STOP;
    }

    /// A kernel thread's result.
    SchedKthreadStopRet {
        /// What it returned.
        ret: i32,
    }
    format "\"ret=%d\", REC->ret"
    print |e, out| write!(out, "ret={}", e.ret);
    events {
        /// A kernel thread that was asked to stop has stopped.
        sched "sched_kthread_stop_ret" 329 SCHED_KTHREAD_STOP_RET;
    }

    /// A task that is woken.
    SchedWakeup {
        /// Its name.
        comm: Comm,
        /// Its number.
        pid: i32,
        /// Its priority, as the kernel counts: 120 is nice 0.
        prio: i32,
        /// Where it will run; where it ran last, while it is about to be woken.
        target_cpu: i32,
    }
    format "\"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, REC->prio, REC->target_cpu"
    print |e, out| write!(
        out, "comm={} pid={} prio={} target_cpu={:03}", e.comm, e.pid, e.prio, e.target_cpu
    );
    events {
        /// A task is about to be woken.
        sched "sched_waking" 325 SCHED_WAKING;
        /// A task is runnable again.
        sched "sched_wakeup" 324 SCHED_WAKEUP;
        /// A new task is runnable for the first time.
        sched "sched_wakeup_new" 323 SCHED_WAKEUP_NEW;
    }

    /// A switch of task.
    SchedSwitch {
        /// The name of the one that is left.
        prev_comm: Comm,
        /// Its number.
        prev_pid: i32,
        /// Its priority.
        prev_prio: i32,
        /// Its state, in Linux's bits.
        prev_state: i64,
        /// The name of the one that runs now.
        next_comm: Comm,
        /// Its number.
        next_pid: i32,
        /// Its priority.
        next_prio: i32,
    }
    format "\"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d\", REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & ((((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) - 1)) ? __print_flags(REC->prev_state & ((((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) - 1), \"|\", { 0x00000001, \"S\" }, { 0x00000002, \"D\" }, { 0x00000004, \"T\" }, { 0x00000008, \"t\" }, { 0x00000010, \"X\" }, { 0x00000020, \"Z\" }, { 0x00000040, \"P\" }, { 0x00000080, \"I\" }) : \"R\", REC->prev_state & (((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) ? \"+\" : \"\", REC->next_comm, REC->next_pid, REC->next_prio"
    print |e, out| write!(
        out,
        "prev_comm={} prev_pid={} prev_prio={} prev_state={} ==> next_comm={} next_pid={} next_prio={}",
        e.prev_comm, e.prev_pid, e.prev_prio, StateLetters(e.prev_state),
        e.next_comm, e.next_pid, e.next_prio
    );
    events {
        /// A CPU goes on with another task.
        sched "sched_switch" 322 SCHED_SWITCH;
    }

    /// A move.
    SchedMigrateTask {
        /// Its name.
        comm: Comm,
        /// Its number.
        pid: i32,
        /// Its priority.
        prio: i32,
        /// Where it was.
        orig_cpu: i32,
        /// Where it goes.
        dest_cpu: i32,
    }
    format "\"comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d\", REC->comm, REC->pid, REC->prio, REC->orig_cpu, REC->dest_cpu"
    print |e, out| write!(
        out, "comm={} pid={} prio={} orig_cpu={} dest_cpu={}",
        e.comm, e.pid, e.prio, e.orig_cpu, e.dest_cpu
    );
    events {
        /// A task goes to another CPU.
        sched "sched_migrate_task" 321 SCHED_MIGRATE_TASK;
    }

    /// A task in its life.
    SchedProcess {
        /// Its name.
        comm: Comm,
        /// Its number; for one that waits, the number that it waits for, 0 for any.
        pid: i32,
        /// Its priority.
        prio: i32,
    }
    format "\"comm=%s pid=%d prio=%d\", REC->comm, REC->pid, REC->prio"
    print |e, out| write!(out, "comm={} pid={} prio={}", e.comm, e.pid, e.prio);
    events {
        /// Nobody will ask for an ended task any more.
        sched "sched_process_free" 320 SCHED_PROCESS_FREE;
        /// The running task ends.
        sched "sched_process_exit" 319 SCHED_PROCESS_EXIT;
        /// The running task waits for a child.
        sched "sched_process_wait" 317 SCHED_PROCESS_WAIT;
    }

    /// A task and its child.
    SchedProcessFork {
        /// Its name.
        parent_comm: Comm,
        /// Its number.
        parent_pid: i32,
        /// The name of the new one.
        child_comm: Comm,
        /// Its number.
        child_pid: i32,
    }
    format "\"comm=%s pid=%d child_comm=%s child_pid=%d\", REC->parent_comm, REC->parent_pid, REC->child_comm, REC->child_pid"
    print |e, out| write!(
        out, "comm={} pid={} child_comm={} child_pid={}",
        e.parent_comm, e.parent_pid, e.child_comm, e.child_pid
    );
    events {
        /// The running task has made another.
        sched "sched_process_fork" 316 SCHED_PROCESS_FORK;
    }

    /// A task and its program.
    SchedProcessExec {
        /// The program's file.
        filename: Text,
        /// The task's number.
        pid: i32,
        /// What it was before, for a thread that was not the leader.
        old_pid: i32,
    }
    format "\"filename=%s pid=%d old_pid=%d\", REC->filename, REC->pid, REC->old_pid"
    print |e, out| write!(out, "filename={} pid={} old_pid={}", e.filename, e.pid, e.old_pid);
    events {
        /// The running task executes a program.
        sched "sched_process_exec" 315 SCHED_PROCESS_EXEC;
    }

    /// A task that waits for too long.
    SchedProcessHang {
        /// Its name.
        comm: Comm,
        /// Its number.
        pid: i32,
    }
    format "\"comm=%s pid=%d\", REC->comm, REC->pid"
    print |e, out| write!(out, "comm={} pid={}", e.comm, e.pid);
    events {
        /// A task has been uninterruptible for as long as `hung_task_timeout_secs` says.
        sched "sched_process_hang" 308 SCHED_PROCESS_HANG;
    }
}
