//! The hand-shake by which a kernel thread is made, and what happens to it when the creator is killed.
//!
//! A request is a part of the record of the thread that it is for, and so shared by the creator, `kthreadd` and the newborn. One word decides
//! who speaks last:
//!
//! ```text
//!            newborn or kthreadd
//!   Pending ─────────────────────> Answered      the creator takes the answer
//!      │
//!      │ creator, killed
//!      └─────────────────────────> Abandoned     whoever comes to answer drops what it brought
//! ```
//!
//! Both arrows are one compare-and-exchange from `Pending`, so exactly one of them is taken. If it is the creator's, then
//! `kthreadd` makes no thread if it sees that in time, or the newborn sees it and ends before anything else.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering};

use errno::Errno;
use fault::Point;
use machine::NodeId;
use sched::{Attributes, Completion, CpuMask, TaskRef};
use sync::{LockClass, SpinLock};

use crate::builder::{Builder, Function};
use crate::handle::Created;
use crate::kthreadd;
use crate::thread::Record;

/// A leaf lock.
static EXCHANGE_LOCK: LockClass = LockClass::new("kthread_request.exchange");

const PENDING: u8 = 0;
const ANSWERED: u8 = 1;
const ABANDONED: u8 = 2;

/// What comes back: the thread's task, or why there is none.
type Answer = Result<TaskRef, Errno>;

/// What a thread is to be like.
pub(crate) struct Wish {
    pub(crate) node: Option<NodeId>,
    pub(crate) mask: Option<CpuMask>,
    pub(crate) attributes: Attributes,
    pub(crate) freezable: bool,
    pub(crate) fixed_affinity: bool,
}

/// A wish for a thread.
pub(crate) struct Request {
    state: AtomicU8,
    pub(crate) wish: Wish,
    exchange: SpinLock<Exchange>,
    done: Completion,
}

/// What the two sides give each other.
struct Exchange {
    /// Taken by the newborn.
    function: Option<Function>,
    answer: Option<Answer>,
}

impl Request {
    fn new(wish: Wish, function: Function) -> Self {
        Self {
            state: AtomicU8::new(PENDING),
            wish,
            exchange: SpinLock::new(
                &EXCHANGE_LOCK,
                Exchange { function: Some(function), answer: None },
            ),
            done: Completion::new(),
        }
    }

    /// Whether nobody waits for an answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::SeqCst) == ABANDONED
    }

    /// Tells the creator that there is no thread, and why.
    pub(crate) fn refuse(&self, error: Errno) {
        self.exchange.lock().answer = Some(Err(error));
        self.hand_over();
    }

    /// Gives the creator the newborn's task, and returns what the newborn is to do; nothing if the creator has gone. For the newborn, once.
    pub(crate) fn report(&self, task: TaskRef) -> Option<Function> {
        let function = {
            let mut exchange = self.exchange.lock();
            exchange.answer = Some(Ok(task));
            exchange.function.take()
        };
        if self.hand_over() { function } else { None }
    }

    /// With the answer in its place: once the state says so, the creator may look. Returns false if it has gone: then the answer is dropped.
    fn hand_over(&self) -> bool {
        if self.claim(ANSWERED) {
            self.done.complete();
            return true;
        }
        let dropped = self.exchange.lock().answer.take();
        drop(dropped);
        false
    }

    fn claim(&self, state: u8) -> bool {
        machine::irq::point();
        self.state.compare_exchange(PENDING, state, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// The creator's side.
pub(crate) fn create(builder: Builder, function: Function) -> Result<Created, Errno> {
    sync::might_sleep();
    if fault::should_fail(Point::CreateRequest) {
        return Err(Errno::ENOMEM);
    }
    let Builder { name, cpu, wish } = builder;
    let record = Arc::new(Record::new(name, cpu, Request::new(wish, function)));
    kthreadd::submit(record.clone());
    let request = &record.request;
    if request.done.wait_killable().is_err() {
        if request.claim(ABANDONED) {
            return Err(Errno::EINTR);
        }
        // The answer was given at the same moment; its completion is on the way.
        request.done.wait();
    }
    let answer = request.exchange.lock().answer.take();
    Ok(Created::new(answer.unwrap_or(Err(Errno::EIO))?, record))
}
