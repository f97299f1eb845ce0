//! The holder's side: waking, stopping, parking.
//!
//! What crashes or hangs other kernels does not compile here (R1). A thread is not stopped twice, and nothing is asked of one
//! that has been stopped, since stopping takes the handle:
//!
//! ```compile_fail,E0382
//! fn stop_twice(thread: kthread::Handle) {
//!     thread.stop();
//!     thread.stop();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! fn park_after_stop(thread: kthread::Handle) {
//!     thread.stop();
//!     let _ = thread.park();
//! }
//! ```
//!
//! A thread that has run cannot be bound as if it had not, since waking takes the unwoken thread:
//!
//! ```compile_fail,E0382
//! fn bind_after_wake(thread: kthread::Created) {
//!     let running = thread.wake();
//!     let _ = thread.bind(0);
//! }
//! ```
//!
//! And only the thread itself can park, freeze, or be asked whether it should stop: what its function is handed cannot be
//! given to another.
//!
//! ```compile_fail,E0277
//! fn ask_for_another(this: kthread::This) {
//!     fn send(_: impl Send) {}
//!     send(this);
//! }
//! ```
//!
//! Used as meant, all this compiles:
//!
//! ```
//! fn life(thread: kthread::Created) -> kthread::Exit {
//!     let _ = thread.bind(0);
//!     let running = thread.wake();
//!     let _ = running.park();
//!     running.unpark();
//!     running.stop()
//! }
//! ```

use alloc::sync::Arc;

use errno::Errno;
use machine::CpuId;
use sched::{CpuMask, TaskRef, state};
use trace::{SCHED_KTHREAD_STOP, SCHED_KTHREAD_STOP_RET, SchedKthreadStop, SchedKthreadStopRet};

use crate::thread::{End, PARK, Record, STARTED, STOP, nap, wait_inactive};

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its function returned this.
    Returned(i32),
    /// It was stopped before its function began.
    NeverRan,
    /// Its function panicked.
    Panicked,
}

impl Exit {
    fn of(record: &Record) -> Self {
        match record.end() {
            (End::Returned, result) => Self::Returned(result),
            (End::Panicked, _) => Self::Panicked,
            (End::NeverRan | End::Running, _) => Self::NeverRan,
        }
    }

    /// What the function returned.
    ///
    /// # Errors
    /// EINTR: it never ran. EIO: it panicked.
    pub fn result(self) -> Result<i32, Errno> {
        match self {
            Self::Returned(result) => Ok(result),
            Self::NeverRan => Err(Errno::EINTR),
            Self::Panicked => Err(Errno::EIO),
        }
    }
}

/// A thread that has been made and has not run its function.
///
/// Dropping it stops it.
#[must_use = "a thread that is not woken is stopped when this is dropped"]
pub struct Created {
    /// None only after `wake` or `stop` has taken it.
    thread: Option<Handle>,
}

impl Created {
    pub(crate) fn new(task: TaskRef, record: Arc<Record>) -> Self {
        Self { thread: Some(Handle { task, record }) }
    }

    fn thread(&self) -> &Handle {
        self.thread.as_ref().expect("a created thread is there until it is woken or stopped")
    }

    /// The thread's task.
    pub fn task(&self) -> &TaskRef {
        &self.thread().task
    }

    /// Binds the thread to a CPU; user space cannot change that. May sleep.
    ///
    /// # Errors
    /// EINVAL: there is no such CPU.
    pub fn bind(&self, cpu: CpuId) -> Result<(), Errno> {
        self.bind_mask(CpuMask::of(cpu))
    }

    /// Binds the thread to some CPUs; user space cannot change that. May sleep.
    ///
    /// # Errors
    /// EINVAL: none of the CPUs exists.
    pub fn bind_mask(&self, mask: CpuMask) -> Result<(), Errno> {
        if mask.and(CpuMask::present()).is_empty() {
            return Err(Errno::EINVAL);
        }
        let task = self.task();
        wait_inactive(task, state::UNINTERRUPTIBLE);
        // The flag first: see `set_allowed_from_user`.
        task.add_flags(sched::TaskFlags::NO_SETAFFINITY);
        machine::irq::point();
        sched::bind_sleeping(task, mask);
        Ok(())
    }

    /// Lets the thread's function run. Any context.
    pub fn wake(mut self) -> Handle {
        let thread = self.thread.take().expect("a created thread is woken once");
        thread.record.set(STARTED);
        sched::wake_up(&thread.task);
        thread
    }

    /// Has a per-CPU thread go straight to its parking place: it runs its function when it is unparked. May sleep.
    pub fn park(mut self) -> Handle {
        let thread = self.thread.take().expect("a created thread is parked once");
        // In one step: whoever wakes it before this, it finds that it is to park as soon as that it may go on.
        thread.record.set(STARTED | PARK);
        sched::wake_up(&thread.task);
        thread.wait_parked();
        thread
    }

    /// Ends the thread without ever running its function: [`Exit::NeverRan`]. May sleep.
    pub fn stop(mut self) -> Exit {
        let thread = self.thread.take().expect("a created thread is stopped once");
        thread.stop()
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
    }
}

/// A thread that has been woken: running, asleep, parked or ended.
///
/// Dropping the handle lets the thread go on by itself. Stopping consumes it, so nothing can be asked of a stopped thread, and
/// nobody stops it twice.
pub struct Handle {
    task: TaskRef,
    record: Arc<Record>,
}

impl Handle {
    /// The thread's task.
    pub fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Whether the thread has ended.
    pub fn has_ended(&self) -> bool {
        self.record.end().0 != End::Running
    }

    /// Wakes the thread from an ordinary sleep: for a holder that has given it something to do. Any context.
    pub fn wake_up(&self) -> bool {
        sched::wake_up(&self.task)
    }

    /// Asks the thread to stop, unparks and wakes it, and waits until it has ended and left its stack. A thread
    /// that never asks is waited for as long as it runs. May sleep; uninterruptible.
    pub fn stop(self) -> Exit {
        SCHED_KTHREAD_STOP.record(|| {
            let (comm, pid, _) = self.task.trace_identity();
            SchedKthreadStop { comm, pid }
        });
        self.mark_stopped();
        let Self { task, record } = self;
        sync::might_sleep();
        record.wake_and_wait_gone(task);
        let exit = Exit::of(&record);
        SCHED_KTHREAD_STOP_RET.record(|| SchedKthreadStopRet {
            ret: exit.result().unwrap_or_else(|error| error.as_return() as i32),
        });
        exit
    }

    /// Waits until the thread has ended by itself. May sleep; uninterruptible.
    pub fn join(self) -> Exit {
        sync::might_sleep();
        self.record.wait_gone();
        Exit::of(&self.record)
    }

    /// Asks the thread to stop, and does not wait for its end. Any context but for a per-CPU thread, where it may sleep as
    /// [`unpark`](Self::unpark) does.
    pub fn ask_to_stop(&self) {
        self.mark_stopped();
        sched::wake_up_state(&self.task, state::NORMAL | state::FROZEN);
    }

    /// Says that the thread is to stop. If it does not sleep in its parking place it is still to be woken.
    fn mark_stopped(&self) {
        if self.record.set(STOP) & PARK != 0 {
            self.unpark();
        }
    }

    /// Asks the thread to park and waits until it sleeps in its parking place. May sleep; uninterruptible.
    ///
    /// # Errors
    /// ESRCH: the thread has ended instead. EBUSY: the caller is the thread itself.
    pub fn park(&self) -> Result<(), Errno> {
        sync::might_sleep();
        if Arc::ptr_eq(&self.task, &sched::current_ref()) {
            return Err(Errno::EBUSY);
        }
        self.record.set(PARK);
        sched::wake_up(&self.task);
        sched::wake_up_state(&self.task, state::FROZEN);
        self.wait_parked();
        if self.record.is_parked() { Ok(()) } else { Err(Errno::ESRCH) }
    }

    fn wait_parked(&self) {
        self.record
            .waiters
            .wait(|| self.record.is_parked() || self.record.is_leaving() || !self.record.has(PARK));
        // Unparked just before, it may not have slept since, and be on its way back.
        while self.record.is_parked() && !wait_inactive(&self.task, state::PARKED) {
            nap();
        }
    }

    /// Lets a parked thread go on; a per-CPU thread is bound to its CPU again first. Does nothing to one that is not asked to park.
    /// Any context but for a per-CPU thread, where it may sleep.
    pub fn unpark(&self) {
        if !self.record.has(PARK) {
            return;
        }
        if let Some(cpu) = self.record.cpu
            && self.record.is_parked()
        {
            wait_inactive(&self.task, state::PARKED);
            sched::bind_sleeping(&self.task, CpuMask::of(cpu));
        }
        self.record.clear(PARK);
        sched::wake_up_state(&self.task, state::PARKED);
        // Whoever waited for it to park waits in vain.
        self.record.waiters.wake_all();
    }
}
