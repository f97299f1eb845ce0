//! The events of workqueues.

use core::fmt;

use super::{Pointer, Symbol};
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::{Field, Name};

/// The CPU of an item that was queued for none in particular, as Linux shows it.
pub const CPU_UNBOUND: i32 = 8192;

records! {
    /// An item and its queue.
    WorkqueueQueueWork {
        /// Which.
        work: Pointer,
        /// What it is.
        function: Symbol,
        /// The queue's name.
        workqueue: Name<32>,
        /// The CPU for which it was queued, or [`CPU_UNBOUND`].
        req_cpu: i32,
        /// The CPU whose workers will run it; -1: any.
        cpu: i32,
    }
    format "\"work struct=%p function=%s workqueue=%s req_cpu=%d cpu=%d\", REC->work, REC->function, REC->workqueue, REC->req_cpu, REC->cpu"
    print |e, out| write!(
        out, "work struct={} function={} workqueue={} req_cpu={} cpu={}",
        e.work, e.function, e.workqueue, e.req_cpu, e.cpu
    );
    events {
        /// An item was queued; one with a delay, when that has passed.
        workqueue "workqueue_queue_work" 128 WORKQUEUE_QUEUE_WORK;
    }

    /// An item that is to be run.
    WorkqueueActivateWork {
        /// Which.
        work: Pointer,
    }
    format "\"work struct %p\", REC->work"
    print |e, out| write!(out, "work struct {}", e.work);
    events {
        /// As few items of the queue are active that this one may be as well.
        workqueue "workqueue_activate_work" 127 WORKQUEUE_ACTIVATE_WORK;
    }

    /// An item that is run.
    WorkqueueExecute {
        /// Which.
        work: Pointer,
        /// What it is.
        function: Symbol,
    }
    format "\"work struct %p: function %s\", REC->work, REC->function"
    print |e, out| write!(out, "work struct {}: function {}", e.work, e.function);
    events {
        /// A worker begins it.
        workqueue "workqueue_execute_start" 126 WORKQUEUE_EXECUTE_START;
        /// A worker has done it.
        workqueue "workqueue_execute_end" 125 WORKQUEUE_EXECUTE_END;
    }
}
