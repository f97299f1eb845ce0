//! The workqueue's trace events, from items.

use machine::CpuId;
use trace::{
    CPU_UNBOUND, Name, Pointer, Symbol, WORKQUEUE_ACTIVATE_WORK, WORKQUEUE_EXECUTE_END,
    WORKQUEUE_EXECUTE_START, WORKQUEUE_QUEUE_WORK, WorkqueueActivateWork, WorkqueueExecute,
    WorkqueueQueueWork,
};

use crate::item::Node;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::wait;

fn pointer(node: &Node) -> Pointer {
    Pointer::to(wait::address(node))
}

#[inline(always)]
pub(crate) fn queueing_is_traced() -> bool {
    WORKQUEUE_QUEUE_WORK.is_on()
}

/// An item is about to be put on a queue, which the caller has asked for on a CPU, or on none in particular.
///
/// Here as below, all that is on the path is the test: what follows is a call with what is in registers anyhow.
#[inline(always)]
pub(crate) fn queue_work(queue: &Queue, pool: &Pool, node: &Node, wanted: Option<CpuId>) {
    if WORKQUEUE_QUEUE_WORK.is_on() {
        record_queue_work(queue, pool, node, wanted);
    }
}

#[cold]
#[inline(never)]
fn record_queue_work(queue: &Queue, pool: &Pool, node: &Node, wanted: Option<CpuId>) {
    let number = |cpu: Option<CpuId>, none| cpu.map_or(none, |cpu| cpu as i32);
    WORKQUEUE_QUEUE_WORK.record(|| WorkqueueQueueWork {
        work: pointer(node),
        function: Symbol::of(node.name),
        workqueue: Name::new(queue.name.as_bytes()),
        req_cpu: number(wanted, CPU_UNBOUND),
        cpu: number(pool.cpu, -1),
    });
}

#[inline(always)]
pub(crate) fn activation_is_traced() -> bool {
    WORKQUEUE_ACTIVATE_WORK.is_on()
}

/// An item comes to its pool's list.
#[inline(always)]
pub(crate) fn activate_work(node: &Node) {
    if WORKQUEUE_ACTIVATE_WORK.is_on() {
        record_activate_work(node);
    }
}

#[cold]
#[inline(never)]
fn record_activate_work(node: &Node) {
    WORKQUEUE_ACTIVATE_WORK.record(|| WorkqueueActivateWork { work: pointer(node) });
}

/// A worker is about to begin an item.
#[inline(always)]
pub(crate) fn execute_start(node: &Node) {
    if WORKQUEUE_EXECUTE_START.is_on() {
        record_execute_start(node);
    }
}

#[cold]
#[inline(never)]
fn record_execute_start(node: &Node) {
    WORKQUEUE_EXECUTE_START.record(|| execute(node));
}

/// A worker has done an item.
#[inline(always)]
pub(crate) fn execute_end(node: &Node) {
    if WORKQUEUE_EXECUTE_END.is_on() {
        record_execute_end(node);
    }
}

#[cold]
#[inline(never)]
fn record_execute_end(node: &Node) {
    WORKQUEUE_EXECUTE_END.record(|| execute(node));
}

fn execute(node: &Node) -> WorkqueueExecute {
    WorkqueueExecute { work: pointer(node), function: Symbol::of(node.name) }
}
