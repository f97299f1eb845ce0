//! `kthread_worker`: a thread that works through a queue.
//!
//! ```text
//!   Work:  idle ──queue──> waiting ──the worker takes it──> running ──> idle
//!            ^               │                                 │
//!            └────cancel─────┘                                 └─ queue: waiting again, runs once more afterwards
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use errno::Errno;
use sched::{Sleep, WaitQueue};
use sync::{LockClass, SpinLock};
use time::Timer;
use trace::{
    Pointer, SCHED_KTHREAD_WORK_EXECUTE_END, SCHED_KTHREAD_WORK_EXECUTE_START,
    SCHED_KTHREAD_WORK_QUEUE_WORK, SchedKthreadWorkExecute, SchedKthreadWorkQueueWork, Symbol,
};

use crate::builder::Builder;
use crate::handle::{Exit, Handle};

/// Taken with interrupts off, from timers too; takes nothing.
static WORKER_LOCK: LockClass = LockClass::new("kthread_worker");

/// Something to do, any number of times, one at a time.
pub struct Work {
    function: Box<dyn Fn() + Send + Sync>,
    /// The function's type, for trace events.
    name: &'static str,
    /// Waits on a queue. Changed under that queue's lock.
    waiting: AtomicBool,
    /// Cancels under way: while there are any it cannot be queued.
    cancelling: AtomicU32,
}

impl Work {
    /// A piece of work that waits nowhere. The function runs in the worker's thread and may sleep.
    pub fn new<F: Fn() + Send + Sync + 'static>(function: F) -> Arc<Self> {
        Arc::new(Self {
            function: Box::new(function),
            name: core::any::type_name::<F>(),
            waiting: AtomicBool::new(false),
            cancelling: AtomicU32::new(0),
        })
    }

    /// Whether it waits to be run.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    fn pointer(&self) -> Pointer {
        Pointer::to(core::ptr::from_ref(self).addr())
    }

    /// Runs it in the worker's thread.
    fn execute(&self) {
        let record =
            || SchedKthreadWorkExecute { work: self.pointer(), function: Symbol::of(self.name) };
        SCHED_KTHREAD_WORK_EXECUTE_START.record(record);
        (self.function)();
        SCHED_KTHREAD_WORK_EXECUTE_END.record(record);
    }
}

/// Work that is queued when a time has passed.
pub struct DelayedWork {
    work: Arc<Work>,
    /// Started, and neither queued since nor cancelled.
    due: Arc<AtomicBool>,
    timer: Timer,
}

struct Queue {
    waiting: VecDeque<Arc<Work>>,
    running: Option<Arc<Work>>,
    closed: bool,
}

struct Shared {
    queue: SpinLock<Queue>,
    /// The worker sleeps here.
    news: WaitQueue,
    /// Whoever waits for a piece of work to be done sleeps here.
    done: WaitQueue,
}

impl Shared {
    fn queue(&self, work: &Arc<Work>) -> bool {
        let mut queue = self.queue.lock_irq();
        if queue.closed
            || work.cancelling.load(Ordering::SeqCst) != 0
            || work.waiting.load(Ordering::SeqCst)
        {
            return false;
        }
        SCHED_KTHREAD_WORK_QUEUE_WORK.record(|| SchedKthreadWorkQueueWork {
            work: work.pointer(),
            function: Symbol::of(work.name),
            worker: Pointer::to(core::ptr::from_ref(self).addr()),
        });
        work.waiting.store(true, Ordering::SeqCst);
        queue.waiting.push_back(work.clone());
        drop(queue);
        self.news.wake_one();
        true
    }

    fn take(&self) -> Option<Arc<Work>> {
        let mut queue = self.queue.lock_irq();
        let work = queue.waiting.pop_front()?;
        work.waiting.store(false, Ordering::SeqCst);
        queue.running = Some(work.clone());
        Some(work)
    }

    fn finish(&self) {
        let finished = self.queue.lock_irq().running.take();
        drop(finished);
        self.done.wake_all();
    }

    fn is_busy_with(&self, work: &Arc<Work>) -> bool {
        let queue = self.queue.lock_irq();
        queue.running.as_ref().is_some_and(|running| Arc::ptr_eq(running, work))
    }

    fn is_idle(&self) -> bool {
        let queue = self.queue.lock_irq();
        queue.waiting.is_empty() && queue.running.is_none()
    }
}

/// A waiter looks so often whether the worker has died in the middle of its work, in nanoseconds: a thread that panics wakes nobody.
const LOOK: u64 = 100 * time::MILLISECOND;

/// A thread with a queue.
pub struct Worker {
    shared: Arc<Shared>,
    /// None only while it is being destroyed.
    thread: Option<Handle>,
}

impl Worker {
    /// Makes the thread. May sleep.
    ///
    /// # Errors
    /// As [`Builder::create`].
    pub fn new(builder: Builder) -> Result<Self, Errno> {
        let shared = Arc::new(Shared {
            queue: SpinLock::new(
                &WORKER_LOCK,
                Queue { waiting: VecDeque::new(), running: None, closed: false },
            ),
            news: WaitQueue::new(),
            done: WaitQueue::new(),
        });
        let theirs = shared.clone();
        let thread = builder.run(move |this| {
            loop {
                this.park_if_asked();
                this.try_to_freeze();
                if let Some(work) = theirs.take() {
                    work.execute();
                    theirs.finish();
                } else if this.should_stop() {
                    return 0;
                } else {
                    this.wait(&theirs.news, || !theirs.queue.lock_irq().waiting.is_empty());
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues a piece of work. Returns false if it waits already, is being cancelled, or the worker is being destroyed. Work that is running may be
    /// queued: it runs again. Any context.
    pub fn queue(&self, work: &Arc<Work>) -> bool {
        self.shared.queue(work)
    }

    /// Work that [`DelayedWork::start`] queues on this worker.
    pub fn delayed(&self, work: &Arc<Work>) -> DelayedWork {
        let (shared, queued) = (Arc::downgrade(&self.shared), work.clone());
        let due = Arc::new(AtomicBool::new(false));
        let is_due = due.clone();
        let timer = Timer::new(move || {
            // Turned away by a cancel that goes on, it stays due: the cancel sees that.
            if let Some(shared) = shared.upgrade()
                && (shared.queue(&queued) || queued.is_waiting())
            {
                is_due.store(false, Ordering::SeqCst);
            }
        });
        DelayedWork { work: work.clone(), due, timer }
    }

    /// Waits until a piece of work neither waits nor runs. May sleep; not from the work itself.
    pub fn flush_work(&self, work: &Arc<Work>) {
        self.wait_unless_dead(|| !work.is_waiting() && !self.shared.is_busy_with(work));
    }

    /// Waits until there is nothing left to do. May sleep; not from this worker's work.
    pub fn flush(&self) {
        self.wait_unless_dead(|| self.shared.is_idle());
    }

    /// Takes a piece of work back, and waits if it is running; meanwhile it cannot be queued. Returns whether it was waiting. May sleep; not from the work itself.
    pub fn cancel_sync(&self, work: &Arc<Work>) -> bool {
        work.cancelling.fetch_add(1, Ordering::SeqCst);
        let removed = {
            let mut queue = self.shared.queue.lock_irq();
            let place = queue.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, work));
            let removed = place.and_then(|place| queue.waiting.remove(place));
            if removed.is_some() {
                work.waiting.store(false, Ordering::SeqCst);
            }
            removed
        };
        if removed.is_some() {
            // A flush may be waiting for it.
            self.shared.done.wake_all();
        }
        self.wait_unless_dead(|| !self.shared.is_busy_with(work));
        work.cancelling.fetch_sub(1, Ordering::SeqCst);
        removed.is_some()
    }

    /// Takes delayed work back, whether its time has come or not, and waits if it is running. Returns whether it was still to be run. May sleep.
    pub fn cancel_delayed_sync(&self, delayed: &DelayedWork) -> bool {
        delayed.work.cancelling.fetch_add(1, Ordering::SeqCst);
        let was_queued = delayed.timer.cancel_sync();
        let was_due = delayed.due.swap(false, Ordering::SeqCst) || was_queued;
        let waited = self.cancel_sync(&delayed.work);
        delayed.work.cancelling.fetch_sub(1, Ordering::SeqCst);
        was_due || waited
    }

    /// Waits until `condition` holds, or the worker's thread has died of a panic: then nothing that it had begun is ever done.
    fn wait_unless_dead(&self, condition: impl Fn() -> bool) {
        let has_died = || self.thread.as_ref().is_some_and(Handle::has_ended);
        while !condition() && !has_died() {
            let deadline = time::monotonic() + LOOK;
            // Whatever ends the wait, the conditions above decide.
            let _ = self
                .shared
                .done
                .wait_map(Sleep::Uninterruptible, Some(deadline), || condition().then_some(()));
        }
    }

    /// Does what is queued, then ends the thread. May sleep.
    pub fn destroy(mut self) -> Option<Exit> {
        self.end()
    }

    fn end(&mut self) -> Option<Exit> {
        self.thread.as_ref()?;
        self.shared.queue.lock_irq().closed = true;
        self.flush();
        Some(self.thread.take()?.stop())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl DelayedWork {
    /// Queues the work after so many nanoseconds; started again, the new delay counts. Any context.
    pub fn start(&self, nanoseconds: u64) {
        self.due.store(true, Ordering::SeqCst);
        self.timer.start(time::monotonic().saturating_add(nanoseconds));
    }
}
