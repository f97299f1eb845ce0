//! The run queue of one CPU: its classes, what runs there, and the counters.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use machine::CpuId;
use sync::{Current, IrqGuard, LockClass, Once, PerCpu, SpinIrqGuard, SpinLock, per_cpu};

use crate::attributes::Class;
use crate::class::Queue;
use crate::class::deadline::{DeadlineQueue, Entry};
use crate::class::fair::{FairQueue, Waiting};
use crate::class::real_time::RealTimeQueue;
use crate::class::stop::StopQueue;
use crate::deadline::spread;
use crate::task::{Task, TaskRef};

mod throttle;

pub use throttle::{rt_bandwidth, set_rt_bandwidth};

/// Taken with interrupts off, inside wait-queue locks; two of them by rising CPU number. Timer queues are taken inside.
static RUN_QUEUE_LOCK: LockClass = LockClass::new("run_queue");

/// What other CPUs may look at without the lock.
pub(crate) struct Shared {
    pub(crate) queue: SpinLock<RunQueue>,
    /// Runnable tasks, the running one included, the idle task not.
    pub(crate) runnable: AtomicU32,
    /// The CPU runs its idle task.
    pub(crate) idle: AtomicBool,
    pub(crate) idle_task: Once<TaskRef>,
    pub(crate) switches: AtomicU64,
    /// How often a task began to run on a borrowed address space.
    pub(crate) borrows: AtomicU64,
}

impl Shared {
    /// With the queue locked.
    pub(crate) fn count_runnable(&self, change: i32) {
        // One writer at a time: load and store are enough.
        let count = self.runnable.load(Relaxed).wrapping_add_signed(change);
        self.runnable.store(count, Relaxed);
    }
}

/// Does something with a class's queue, whichever that is, without a call through a table: this is on the path of every switch. The fair class
/// first, which it nearly always is: of five cases the compiler makes a table of jumps.
macro_rules! in_class {
    ($queues:expr, $class:expr, $queue:ident => $body:expr, idle => $idle:expr) => {
        if $class == Class::Fair {
            let $queue = &mut $queues.fair;
            $body
        } else {
            rare();
            match $class {
                Class::RealTime => {
                    let $queue = &mut $queues.real_time;
                    $body
                }
                Class::Deadline => {
                    let $queue = &mut $queues.deadline;
                    $body
                }
                Class::Stop => {
                    let $queue = &mut $queues.stop;
                    $body
                }
                Class::Fair | Class::Idle => $idle,
            }
        }
    };
}

/// Tells the compiler which way is not the usual one.
#[cold]
const fn rare() {}

pub(crate) static RUN_QUEUES: PerCpu<Shared> = per_cpu!(Shared {
    queue: SpinLock::new(&RUN_QUEUE_LOCK, RunQueue::new()),
    runnable: AtomicU32::new(0),
    idle: AtomicBool::new(false),
    idle_task: Once::new(),
    switches: AtomicU64::new(0),
    borrows: AtomicU64::new(0),
});

pub(crate) struct RunQueue {
    stop: StopQueue,
    pub(crate) deadline: DeadlineQueue,
    real_time: RealTimeQueue,
    fair: FairQueue,
    room: usize,
    /// The class of who runs.
    pub(crate) running: Class,
    /// The address of the running task, 0 for the idle task. Not `on_cpu`: a task that was just preempted has that, too.
    current: usize,
    /// When the running task was last accounted for.
    pub(crate) clock: u64,
    rt_time: u64,
    rt_period_end: u64,
    rt_throttled: bool,
    /// The log is to be told of the throttle; not under the lock.
    throttling_is_news: bool,
    /// Tasks that left this queue for an uninterruptible sleep, less those that came back to it.
    pub(crate) uninterruptible: i64,
    /// When the idle task last began to run; 0 while it does not.
    pub(crate) idle_since: u64,
    pub(crate) times: crate::account::Times,
}

impl RunQueue {
    const fn new() -> Self {
        Self {
            stop: StopQueue::new(),
            deadline: DeadlineQueue::new(),
            real_time: RealTimeQueue::new(),
            fair: FairQueue::new(),
            room: 0,
            running: Class::Idle,
            current: 0,
            clock: 0,
            rt_time: 0,
            rt_period_end: 0,
            rt_throttled: false,
            throttling_is_news: false,
            uninterruptible: 0,
            idle_since: 0,
            times: crate::account::Times::new(),
        }
    }

    /// Takes over lists with room for so many tasks, and returns those that are not needed any more.
    pub(crate) fn grow(
        &mut self,
        room: usize,
        fair: Vec<Waiting>,
        real_time: Vec<TaskRef>,
    ) -> (Vec<Waiting>, Vec<TaskRef>) {
        // Another CPU may have made more room meanwhile; the smaller lists would then not do.
        if self.room >= room {
            return (fair, real_time);
        }
        self.room = room;
        (self.fair.grow(fair), self.real_time.grow(real_time))
    }

    /// Takes over lists of the deadline class, and leaves those that are not needed any more.
    pub(crate) fn grow_deadline(&mut self, room: &mut (Vec<Entry>, Vec<Entry>)) {
        self.deadline.grow(room);
    }

    /// How many wait to run, the running one and those of the deadline class not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.stop.waiting() + self.real_time.waiting() + self.fair.waiting()
    }

    /// Whether tasks that may run are waiting, but for those of the deadline class.
    fn has_work(&self) -> bool {
        self.stop.waiting() != 0
            || self.fair.waiting() != 0
            || self.real_time.waiting() != 0 && !self.rt_throttled
    }

    /// Whether real-time tasks have used up their share of this period.
    pub(crate) fn is_throttled(&self) -> bool {
        self.rt_throttled
    }

    /// Adds a runnable task to this CPU, of which it says already that it is there. Returns whether the running task should make way. Inlined,
    /// as every wake-up goes through it.
    #[inline(always)]
    pub(crate) fn enqueue_woken(&mut self, cpu: CpuId, task: TaskRef, now: u64) -> bool {
        task.on_queue.store(true, Relaxed);
        task.account.queued(now);
        RUN_QUEUES.of(cpu).count_runnable(1);
        task.entity.adopt();
        if !task.entity.is_fair() {
            return self.enqueue_above_fair(task.entity.class(), task, now);
        }
        let preempts_equals = self.fair.enqueue(task, now);
        match self.running {
            Class::Fair => preempts_equals,
            running => Class::Fair < running,
        }
    }

    #[inline(never)]
    fn enqueue_above_fair(&mut self, class: Class, task: TaskRef, now: u64) -> bool {
        if class == Class::Deadline {
            return self.enqueue_deadline(task, now);
        }
        let preempts_equals =
            in_class!(self, class, queue => queue.enqueue(task, now), idle => false);
        if class == self.running {
            return preempts_equals;
        }
        class < self.running && !(class == Class::RealTime && self.rt_throttled)
    }

    /// As [`enqueue_woken`](Self::enqueue_woken), for a task that comes from another queue, or back to this one.
    #[inline(never)]
    pub(crate) fn enqueue(&mut self, cpu: CpuId, task: TaskRef, now: u64) -> bool {
        task.cpu.store(cpu, Relaxed);
        self.enqueue_woken(cpu, task, now)
    }

    /// Takes a waiting task off this CPU, to go elsewhere.
    pub(crate) fn remove(&mut self, task: &Task) -> Option<TaskRef> {
        let removed =
            in_class!(self, task.entity.class(), queue => queue.remove(task), idle => None)?;
        removed.on_queue.store(false, Relaxed);
        RUN_QUEUES.of(removed.cpu()).count_runnable(-1);
        Some(removed)
    }

    /// Brings the running task's account up to date. Inlined, as every switch does so.
    #[inline(always)]
    pub(crate) fn charge(&mut self, task: &Task) {
        let now = time::sched_clock();
        let ran = now.saturating_sub(self.clock);
        self.clock = now;
        task.account.ran(ran);
        match self.running {
            Class::Fair => self.fair.charge(task, ran),
            Class::RealTime => {
                self.real_time.charge(task, ran);
                self.rt_time += ran;
            }
            Class::Deadline => self.charge_deadline(task, ran),
            // Nothing follows from how long they run.
            Class::Stop | Class::Idle => {}
        }
    }

    #[cold]
    fn charge_deadline(&mut self, task: &Task, ran: u64) {
        self.deadline.charge(task, ran);
        self.rt_time += ran;
    }

    /// As [`charge`](Self::charge), where no switch is under way.
    #[inline(never)]
    fn bring_up_to_date(&mut self, task: &Task) {
        self.charge(task);
    }

    /// Brings a task's account up to date, if it runs on this CPU.
    pub(crate) fn charge_if_running(&mut self, task: &Task) {
        if self.current == core::ptr::from_ref(task).addr() {
            self.bring_up_to_date(task);
        }
    }

    /// The running task leaves the CPU to sleep or for ever; the caller has committed its state.
    pub(crate) fn stop_for_sleep(&mut self, shared: &Shared, task: &Task, counts_as_load: bool) {
        task.on_queue.store(false, Relaxed);
        shared.count_runnable(-1);
        if counts_as_load {
            self.uninterruptible += 1;
        }
        in_class!(self, self.running, queue => queue.stop_running(task), idle => ());
    }

    /// Chooses who runs next on this CPU, after `previous`, which still wants to run if `runnable`.
    /// `None`: previous goes on.
    pub(crate) fn choose(
        &mut self,
        shared: &Shared,
        previous: &Current<Task>,
        runnable: bool,
    ) -> Option<TaskRef> {
        let was_idle = self.running == Class::Idle;
        if runnable && !was_idle {
            let may_go_on = match self.running {
                Class::RealTime => !self.rt_throttled,
                // Whether it has a budget left is seen when it is put back.
                Class::Deadline => false,
                _ => true,
            };
            if may_go_on && self.waiting() == 0 && !spread::somebody_waits() {
                return None;
            }
            // Put back among the waiting, it competes like anybody else.
            let now = self.clock;
            in_class!(self, self.running, queue => queue.put_back(previous.to_arc(), now), idle => ());
        } else if was_idle
            && !self.has_work()
            && !spread::somebody_waits()
            && !self.pull_before_idle()
        {
            return None;
        }
        let now = self.clock;
        let next = match self.pick(now) {
            Some((task, class)) => {
                self.current = Arc::as_ptr(&task).addr();
                self.running = class;
                task.account.starts(now);
                if was_idle {
                    self.times.idle += now.saturating_sub(self.idle_since);
                    self.idle_since = 0;
                    shared.idle.store(false, Relaxed);
                }
                task
            }
            None => {
                self.current = 0;
                self.running = Class::Idle;
                if !was_idle {
                    self.idle_since = now.max(1);
                    shared.idle.store(true, Relaxed);
                }
                shared.idle_task.get()?.clone()
            }
        };
        debug_assert!(
            self.deadline.is_shown(machine::cpu::id()),
            "others see what was here before"
        );
        (!core::ptr::eq(&*next, &**previous)).then_some(next)
    }

    /// Who runs next, and of which class that is. The usual cases first: somebody waits, and nobody of the stop class.
    #[inline(always)]
    fn pick(&mut self, now: u64) -> Option<(TaskRef, Class)> {
        if self.stop.waiting() == 0 && !spread::somebody_waits() {
            if self.real_time.waiting() == 0 {
                if let Some(task) = self.fair.pick(now) {
                    return Some((task, Class::Fair));
                }
            } else if !self.rt_throttled
                && let Some(task) = self.real_time.pick(now)
            {
                return Some((task, Class::RealTime));
            }
        }
        self.pick_by_class(now)
    }

    /// Gets work from elsewhere; this is the queue of the CPU that this runs on.
    #[inline(never)]
    fn pull_before_idle(&mut self) -> bool {
        crate::balance::pull_before_idle(self, machine::cpu::id())
    }

    #[inline(never)]
    fn pick_by_class(&mut self, now: u64) -> Option<(TaskRef, Class)> {
        for _ in 0..2 {
            if let Some(task) = self.stop.pick(now) {
                return Some((task, Class::Stop));
            }
            if spread::somebody_waits()
                && let Some(task) = self.pick_deadline(machine::cpu::id(), now)
            {
                return Some((task, Class::Deadline));
            }
            if !self.rt_throttled
                && let Some(task) = self.real_time.pick(now)
            {
                return Some((task, Class::RealTime));
            }
            if let Some(task) = self.fair.pick(now) {
                return Some((task, Class::Fair));
            }
            if !self.pull_before_idle() {
                break;
            }
        }
        None
    }

    /// Puts in force what is wanted of a task that is runnable here.
    pub(crate) fn adopt_attributes(&mut self, task: &Task) {
        let cpu = task.cpu();
        if task.entity.class() == Class::Deadline && task.entity.stays_in_deadline_class() {
            // And where it is: its next budgets are others.
            crate::wake::reschedule(cpu);
        } else if self.current == core::ptr::from_ref(task).addr() {
            self.bring_up_to_date(task);
            let now = self.clock;
            in_class!(self, self.running, queue => queue.stop_running(task), idle => ());
            task.entity.adopt();
            self.running = task.entity.class();
            in_class!(self, self.running, queue => queue.adopt_running(task, now), idle => ());
            crate::wake::reschedule(cpu);
        } else if let Some(removed) = self.remove(task)
            && self.enqueue(cpu, removed, time::sched_clock())
        {
            crate::wake::reschedule(cpu);
        }
    }

    /// The tick, on this CPU, with `task` running. Returns whether somebody else should run.
    pub(crate) fn tick(&mut self, task: &Task) -> bool {
        self.bring_up_to_date(task);
        let mut switch = self.renew_rt_period();
        if self.running == Class::RealTime && self.rt_throttled {
            switch = true;
        }
        switch | in_class!(self, self.running, queue => queue.tick(task), idle => false)
    }

    /// The running task gives up its turn.
    pub(crate) fn yield_turn(&mut self, task: &Task) {
        self.bring_up_to_date(task);
        in_class!(self, self.running, queue => queue.yield_turn(task), idle => ());
    }

    /// A waiting task that another CPU may take. Deadline tasks go their own ways: `deadline/pull.rs`.
    pub(crate) fn find_movable(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        self.fair
            .find_movable(fits)
            .or_else(|| self.real_time.find_movable(fits))
            .or_else(|| self.stop.find_movable(fits))
    }

    /// Any task that does not run and for which `fits` holds: throttled ones, too.
    pub(crate) fn find_any(&self, fits: &dyn Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        self.find_movable(fits).or_else(|| self.deadline.find_movable(fits))
    }

    /// Runnable tasks and uninterruptible sleepers, for the load average.
    pub(crate) fn active(&self, cpu: CpuId) -> i64 {
        i64::from(RUN_QUEUES.of(cpu).runnable.load(Relaxed)) + self.uninterruptible
    }
}

/// Locks the run queue that a task is on, or would be on if it were runnable.
pub(crate) fn lock_of(task: &Task) -> SpinIrqGuard<'static, RunQueue> {
    loop {
        let cpu = task.cpu();
        let queue = RUN_QUEUES.of(cpu).queue.lock_irq();
        if task.cpu() == cpu {
            return queue;
        }
    }
}

/// Two locked run queues. The fields are dropped in this order: interrupts come back when both locks are released, not when the first is.
pub(crate) struct Two {
    pub(crate) first: SpinIrqGuard<'static, RunQueue>,
    pub(crate) second: SpinIrqGuard<'static, RunQueue>,
    _irqs_off: IrqGuard,
}

/// Locks two run queues in the order that everybody keeps to: by CPU number.
pub(crate) fn lock_two(first: CpuId, second: CpuId) -> Two {
    debug_assert_ne!(first, second, "one queue twice");
    let irqs_off = IrqGuard::new();
    let lock = |cpu: CpuId| &RUN_QUEUES.of(cpu).queue;
    let (first, second) = if first < second {
        let a = lock(first).lock_irq();
        (a, lock(second).lock_irq_nested())
    } else {
        let b = lock(second).lock_irq();
        (lock(first).lock_irq_nested(), b)
    };
    Two { first, second, _irqs_off: irqs_off }
}

/// Counters of one CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuCounters {
    /// Switches of task.
    pub switches: u64,
    /// Tasks that run or wait there now.
    pub runnable: u32,
}

/// The counters of a CPU.
pub fn counters(cpu: CpuId) -> CpuCounters {
    let shared = RUN_QUEUES.of(cpu);
    CpuCounters { switches: shared.switches.load(Relaxed), runnable: shared.runnable.load(Relaxed) }
}

/// Switches of task on all CPUs since boot.
pub fn total_switches() -> u64 {
    RUN_QUEUES.iter().map(|shared| shared.switches.load(Relaxed)).sum()
}
