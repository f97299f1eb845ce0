//! The hand-shake by which a kernel thread is made, and what happens to it when the creator is killed.
//!
//! A request is shared by the creator, `kthreadd` and the newborn. One word decides who speaks last:
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
use sched::{Completion, TaskRef};
use sync::{Linked, Links, LockClass, SpinLock};

use crate::builder::{Builder, Function};
use crate::handle::Created;
use crate::kthreadd;
use crate::thread::Record;

/// Leaf locks.
static ANSWER_LOCK: LockClass = LockClass::new("kthread_request.answer");
static FUNCTION_LOCK: LockClass = LockClass::new("kthread_request.function");

const PENDING: u8 = 0;
const ANSWERED: u8 = 1;
const ABANDONED: u8 = 2;

/// What comes back: the thread, or why there is none.
type Answer = Result<(TaskRef, Arc<Record>), Errno>;

/// A wish for a thread.
pub(crate) struct Request {
    state: AtomicU8,
    /// What is wanted.
    pub(crate) builder: Builder,
    /// Taken by the newborn.
    function: SpinLock<Option<Function>>,
    answer: SpinLock<Option<Answer>>,
    done: Completion,
    /// Its place on `kthread_create_list`.
    links: Links<Request>,
}

impl Linked for Request {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Request {
    /// Whether nobody waits for an answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::SeqCst) == ABANDONED
    }

    /// What the thread is to do. For the newborn, once.
    pub(crate) fn take_function(&self) -> Option<Function> {
        self.function.lock().take()
    }

    /// Answers the creator. Returns false if it has gone: then the answer has been dropped.
    pub(crate) fn answer(&self, answer: Answer) -> bool {
        // Before the exchange: once the state says so, the creator may look.
        *self.answer.lock() = Some(answer);
        if self.claim(ANSWERED) {
            self.done.complete();
            return true;
        }
        let dropped = self.answer.lock().take();
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
    let request = Arc::new(Request {
        state: AtomicU8::new(PENDING),
        builder,
        function: SpinLock::new(&FUNCTION_LOCK, Some(function)),
        answer: SpinLock::new(&ANSWER_LOCK, None),
        done: Completion::new(),
        links: Links::new(),
    });
    kthreadd::submit(request.clone());
    if request.done.wait_killable().is_err() {
        if request.claim(ABANDONED) {
            return Err(Errno::EINTR);
        }
        // The answer was given at the same moment; its completion is on the way.
        request.done.wait();
    }
    let answer = request.answer.lock().take();
    match answer {
        Some(Ok((task, record))) => Ok(Created::new(task, record)),
        Some(Err(error)) => Err(error),
        None => Err(Errno::EIO),
    }
}
