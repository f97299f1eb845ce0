//! Timers that count CPU time: what `ITIMER_VIRTUAL`, `ITIMER_PROF` and timers on a CPU-time clock stand on.
//!
//! CPU time passes only while somebody runs, so nothing has to wait for it: the tick looks at the timers of the process that
//! it finds running, and calls those whose time has come. They fire at a tick, never early.
//!
//! ```text
//!   new: a place in the process's list     start              a tick of the process finds it due
//!   ────────────────────────────────> off ───────> armed ────────────────────────────────────────> running ──> off
//!                                      ^  cancel  │  ^                    start                       │
//!                                      └──────────┘  └────────────────────────────────────────────────┘
//! ```
//!
//! A timer is in the list of the process whose time it counts for as long as it exists, so starting allocates nothing.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, Ordering::Relaxed};

use errno::Errno;
use sched::Task;
use sync::{LockClass, SpinLock};

use crate::process::Process;
use crate::thread::Thread;
use crate::usage::Usage;

/// Taken in the tick; a leaf.
static TIMERS_LOCK: LockClass = LockClass::new("process.cpu_timers");

/// Not armed.
const OFF: u64 = u64::MAX;

/// Whose CPU time is counted, and which part.
#[derive(Clone, Debug)]
pub enum CpuClock {
    /// What a process's threads spend in user mode.
    ProcessUser(Weak<Process>),
    /// All that a process's threads spend.
    Process(Weak<Process>),
    /// All that one thread spends.
    Thread(Weak<Task>),
}

impl CpuClock {
    /// What it shows, in nanoseconds; `None`: whom it belongs to is gone.
    pub fn now(&self) -> Option<u64> {
        match self {
            Self::ProcessUser(process) => process.upgrade().map(|process| process.usage().user),
            Self::Process(process) => process.upgrade().map(|process| process.usage().total()),
            Self::Thread(task) => task.upgrade().map(|task| Usage::of_task(&task).total()),
        }
    }

    fn process(&self) -> Option<Arc<Process>> {
        match self {
            Self::ProcessUser(process) | Self::Process(process) => process.upgrade(),
            Self::Thread(task) => task.upgrade().map(|task| Thread::of(&task).process().clone()),
        }
    }

    /// What it shows at a tick in which `task` runs and its process has used `process`; `None` if it stands still.
    fn at_tick(&self, task: &Task, process: &Usage) -> Option<u64> {
        match self {
            Self::ProcessUser(_) => Some(process.user),
            Self::Process(_) => Some(process.total()),
            Self::Thread(owner) if core::ptr::eq(owner.as_ptr(), task) => {
                Some(Usage::of_task(task).total())
            }
            Self::Thread(_) => None,
        }
    }
}

struct Core {
    clock: CpuClock,
    /// On its clock; [`OFF`] if it is not armed. Changed under the list's lock.
    deadline: AtomicU64,
    /// Its function is running.
    running: AtomicBool,
    function: Box<dyn Fn() + Send + Sync>,
}

/// The timers that count a process's CPU time.
pub(crate) struct CpuTimers {
    /// How many are armed: the tick looks no further if none is.
    armed: AtomicU32,
    all: SpinLock<Vec<Arc<Core>>>,
}

impl CpuTimers {
    pub(crate) const fn new() -> Self {
        Self { armed: AtomicU32::new(0), all: SpinLock::new(&TIMERS_LOCK, Vec::new()) }
    }

    /// Sets one's deadline and returns what it was. One that is called off, or fires, goes out of the count.
    fn set(&self, core: &Core, deadline: u64) -> u64 {
        let _changing = self.all.lock_irq();
        self.set_locked(core, deadline)
    }

    fn set_locked(&self, core: &Core, deadline: u64) -> u64 {
        let old = core.deadline.load(Relaxed);
        core.deadline.store(deadline, Relaxed);
        match (old == OFF, deadline == OFF) {
            (true, false) => self.armed.fetch_add(1, Relaxed),
            (false, true) => self.armed.fetch_sub(1, Relaxed),
            _ => 0,
        };
        old
    }

    /// Takes one that is due at a tick.
    fn take_due(&self, task: &Task, process: &Usage) -> Option<Arc<Core>> {
        let all = self.all.lock_irq();
        let due = all.iter().find(|core| {
            let deadline = core.deadline.load(Relaxed);
            // One that another CPU's tick has called has its next turn when it is done.
            deadline != OFF
                && !core.running.load(Ordering::Acquire)
                && core.clock.at_tick(task, process).is_some_and(|now| now >= deadline)
        })?;
        due.running.store(true, Relaxed);
        self.set_locked(due, OFF);
        Some(due.clone())
    }
}

/// The tick, in the timer interrupt: calls the timers of the running task's process that are due.
pub(crate) fn tick(task: &Task) {
    let Some(thread) = Thread::try_of(task) else { return };
    let process = thread.process();
    let timers = &process.cpu_timers;
    if timers.armed.load(Relaxed) == 0 {
        return;
    }
    let used = process.usage();
    // One that starts itself again does so for a time after `used`: this ends.
    while let Some(core) = timers.take_due(task, &used) {
        (core.function)();
        // Release pairs with the Acquire of whoever waits for its end.
        core.running.store(false, Ordering::Release);
    }
}

/// A function to be called when so much CPU time has been used, in hard-interrupt context. Dropping the timer cancels it.
pub struct CpuTimer {
    core: Arc<Core>,
    process: Weak<Process>,
}

impl CpuTimer {
    /// A timer that is not started. `function` must not sleep, and may start the timer again, for a time that has not come.
    /// In a task.
    ///
    /// # Errors
    /// ESRCH: whose time it should count is gone. ENOMEM.
    pub fn new(
        clock: CpuClock,
        function: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Errno> {
        let process = clock.process().ok_or(Errno::ESRCH)?;
        let core = Arc::new(Core {
            clock,
            deadline: AtomicU64::new(OFF),
            running: AtomicBool::new(false),
            function: Box::new(function),
        });
        loop {
            // Room is made without the lock, which the tick takes.
            let wanted = process.cpu_timers.all.lock_irq().len() + 1;
            let mut room = Vec::new();
            room.try_reserve_exact(wanted.next_power_of_two()).map_err(|_| Errno::ENOMEM)?;
            let mut all = process.cpu_timers.all.lock_irq();
            if all.len() == all.capacity() {
                if room.capacity() <= all.len() {
                    continue;
                }
                room.append(&mut all);
                core::mem::swap(&mut *all, &mut room);
            }
            all.push(core.clone());
            drop(all);
            break;
        }
        Ok(Self { core, process: Arc::downgrade(&process) })
    }

    /// Starts the timer for a time of its clock, nanoseconds; one that is armed is moved. Any context.
    pub fn start(&self, deadline: u64) {
        if let Some(process) = self.process.upgrade() {
            // The end of time never comes, and means that the timer is off.
            process.cpu_timers.set(&self.core, deadline);
        }
    }

    /// Takes the timer back and returns whether it was armed. The function may still be running on another CPU. Any context.
    pub fn cancel(&self) -> bool {
        let process = self.process.upgrade();
        process.is_some_and(|process| process.cpu_timers.set(&self.core, OFF) != OFF)
    }

    /// Takes the timer back and waits, spinning, until its function is not running. In a task.
    pub fn cancel_sync(&self) -> bool {
        let mut was_armed = self.cancel();
        while self.core.running.load(Ordering::Acquire) {
            machine::cpu::relax();
            was_armed |= self.cancel();
        }
        was_armed | self.cancel()
    }

    /// The clock that it counts on.
    pub fn clock(&self) -> &CpuClock {
        &self.core.clock
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        self.cancel();
        let Some(process) = self.process.upgrade() else { return };
        let mut all = process.cpu_timers.all.lock_irq();
        let place = all.iter().position(|core| Arc::ptr_eq(core, &self.core));
        let removed = place.map(|place| all.swap_remove(place));
        drop(all);
        drop(removed);
    }
}
