//! The events of tasks as such.

use core::fmt;

use super::{Comm, SCHED_PROCESS_FORK};
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::Field;

records! {
    /// A task that has been made.
    TaskNewtask {
        /// Its number.
        pid: i32,
        /// Its name.
        comm: Comm,
        /// What it shares with its maker.
        clone_flags: u64,
        /// `/proc/PID/oom_score_adj`.
        oom_score_adj: i16,
    }
    format "\"pid=%d comm=%s clone_flags=%lx oom_score_adj=%hd\", REC->pid, REC->comm, REC->clone_flags, REC->oom_score_adj"
    print |e, out| write!(
        out, "pid={} comm={} clone_flags={:x} oom_score_adj={}",
        e.pid, e.comm, e.clone_flags, e.oom_score_adj
    );
    events {
        /// A task is there.
        task "task_newtask" 157 TASK_NEWTASK after SCHED_PROCESS_FORK;
    }

    /// A task with another name.
    TaskRename {
        /// Its number.
        pid: i32,
        /// The name that it had.
        oldcomm: Comm,
        /// The one that it gets.
        newcomm: Comm,
        /// `/proc/PID/oom_score_adj`.
        oom_score_adj: i16,
    }
    format "\"pid=%d oldcomm=%s newcomm=%s oom_score_adj=%hd\", REC->pid, REC->oldcomm, REC->newcomm, REC->oom_score_adj"
    print |e, out| write!(
        out, "pid={} oldcomm={} newcomm={} oom_score_adj={}",
        e.pid, e.oldcomm, e.newcomm, e.oom_score_adj
    );
    events {
        /// A task is about to have another name.
        task "task_rename" 156 TASK_RENAME;
    }
}
