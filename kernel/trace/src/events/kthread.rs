//! The events of `kthread_worker`.

use core::fmt;

use super::{Pointer, Symbol};
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::Field;

records! {
    /// A piece of work and its worker.
    SchedKthreadWorkQueueWork {
        /// Which.
        work: Pointer,
        /// What it is.
        function: Symbol,
        /// Who will do it.
        worker: Pointer,
    }
    format "\"work struct=%p function=%s worker=%p\", REC->work, REC->function, REC->worker"
    print |e, out| write!(
        out, "work struct={} function={} worker={}", e.work, e.function, e.worker
    );
    events {
        /// A piece of work was queued.
        sched "sched_kthread_work_queue_work" 328 SCHED_KTHREAD_WORK_QUEUE_WORK;
    }

    /// A piece of work.
    SchedKthreadWorkExecute {
        /// Which.
        work: Pointer,
        /// What it is.
        function: Symbol,
    }
    format "\"work struct %p: function %s\", REC->work, REC->function"
    print |e, out| write!(out, "work struct {}: function {}", e.work, e.function);
    events {
        /// A worker begins it.
        sched "sched_kthread_work_execute_start" 327 SCHED_KTHREAD_WORK_EXECUTE_START;
        /// A worker has done it.
        sched "sched_kthread_work_execute_end" 326 SCHED_KTHREAD_WORK_EXECUTE_END;
    }
}
