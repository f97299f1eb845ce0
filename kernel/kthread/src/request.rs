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
use sched::{Attributes, CpuMask, Sleep, TaskRef, state};
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
}

/// What the two sides give each other.
struct Exchange {
    /// Taken by who answers.
    order: Option<Order>,
    answer: Option<Answer>,
}

/// What the creator gives.
pub(crate) struct Order {
    /// For the newborn.
    pub(crate) function: Function,
    /// Is woken when it has the answer.
    pub(crate) creator: TaskRef,
}

impl Request {
    /// From the running task. Inlined, so that it is built where it will lie.
    #[inline(always)]
    fn new(wish: Wish, function: Function) -> Self {
        Self {
            state: AtomicU8::new(PENDING),
            wish,
            exchange: SpinLock::new(
                &EXCHANGE_LOCK,
                Exchange {
                    order: Some(Order { function, creator: sched::current_ref() }),
                    answer: None,
                },
            ),
        }
    }

    /// Whether nobody waits for an answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::SeqCst) == ABANDONED
    }

    /// Whether the answer is there. SeqCst: it is looked at after the creator has set its state to asleep.
    fn is_answered(&self) -> bool {
        machine::irq::point();
        self.state.load(Ordering::SeqCst) == ANSWERED
    }

    /// Tells the creator that there is no thread, and why.
    pub(crate) fn refuse(&self, error: Errno) {
        if let Some(order) = self.answer(Err(error)) {
            sched::wake_up(&order.creator);
        }
    }

    /// Gives the creator the newborn's task, and returns what the newborn is to do and whom to wake; nothing if the creator has gone. For the
    /// newborn, once.
    #[must_use]
    pub(crate) fn report(&self, task: TaskRef) -> Option<Order> {
        self.answer(Ok(task))
    }

    /// Puts the answer in its place, and then says so: from there on the creator may look, so it is to be woken by a reference that was taken
    /// before. Returns what the creator gave; nothing if it has gone, and then the answer is dropped.
    #[inline(always)]
    fn answer(&self, answer: Answer) -> Option<Order> {
        let order = {
            let mut exchange = self.exchange.lock();
            exchange.answer = Some(answer);
            exchange.order.take()
        };
        if self.claim(ANSWERED) {
            return order;
        }
        let dropped = self.exchange.lock().answer.take();
        drop(dropped);
        None
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
    let request = &record.request;
    let answered = || request.is_answered().then_some(());
    let waited = match kthreadd::submit(record.clone()) {
        Some(kthreadd) => sched::wake_and_wait(kthreadd, state::NORMAL, Sleep::Killable, answered),
        None => sched::wait_to_be_woken(Sleep::Killable, None, answered),
    };
    // Should the answer be given at the same moment as the creator is killed, it is there.
    if waited.is_err() && request.claim(ABANDONED) {
        return Err(Errno::EINTR);
    }
    let answer = request.exchange.lock().answer.take();
    Ok(Created::new(answer.unwrap_or(Err(Errno::EIO))?, record))
}
