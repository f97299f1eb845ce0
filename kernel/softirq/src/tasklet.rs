//! Tasklets: functions that run in a softirq, one at a time each.
//!
//! A tasklet is in at most one place: on the list of one CPU, in the hands of the CPU that runs it, or held because it is
//! disabled. Only whoever has it puts it elsewhere, so it cannot come to run on two CPUs:
//!
//! ```text
//!            schedule                 the CPU's softirq takes it
//!   Idle ──────────────> SCHEDULED ─────────────────────────────> RUNNING ──────> Idle
//!                         ^  ^   on that CPU's list                │    │
//!                         │  │                                     │    │ schedule: RUNNING and SCHEDULED, on no list;
//!                         │  └── the runner puts it on its list <──┘<───┘ runs once more
//!                enable   │
//!   SCHEDULED, HELD ──────┘ <── it turns out to be disabled
//! ```
//!
//! **disable against run.** The runner marks the tasklet RUNNING and then looks whether it is disabled; `disable` counts and then
//! looks whether it is RUNNING. All four are sequentially consistent, so one of the two sees the other: either it does not
//! run, or `disable` waits.
//!
//! **enable against hold.** The runner marks it HELD and then looks again whether it is still disabled; `enable` counts down and then
//! looks whether it is HELD. Whoever takes the mark off puts it back on a list.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use machine::CpuId;
use sync::{Linked, Links, List, LockClass, PerCpu, PreemptGuard, SpinLock, per_cpu};

use crate::guard::BottomHalfGuard;
use crate::pending::{open, raise_under};
use crate::vector::Vector;

/// Taken with interrupts off, in any context; takes nothing.
static TASKLETS_LOCK: LockClass = LockClass::new("tasklets");

/// Wants to run.
const SCHEDULED: u32 = 1 << 0;
/// Runs.
const RUNNING: u32 = 1 << 1;
/// Wants to run, is disabled, and is on no list.
const HELD: u32 = 1 << 2;
/// Is not scheduled again.
const KILLED: u32 = 1 << 3;
/// What it wants is to run with the high-priority ones.
const HIGH: u32 = 1 << 4;
/// Its owner is gone: it is not run, wherever it is.
const DROPPED: u32 = 1 << 5;

/// On no CPU.
const NOWHERE: usize = usize::MAX;

struct Core {
    links: Links<Core>,
    state: AtomicU32,
    /// How many times it is disabled.
    disabled: AtomicU32,
    /// The CPU on whose list it is. Changed under that list's lock.
    listed_on: AtomicUsize,
    /// The CPU that runs it.
    running_on: AtomicUsize,
    function: Box<dyn Fn() + Send + Sync>,
}

impl Linked for Core {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// The tasklets scheduled on one CPU: the ordinary ones, and those of high priority.
struct Queue {
    lists: [List<Core>; 2],
    lengths: [usize; 2],
}

static QUEUES: PerCpu<SpinLock<Queue>> = per_cpu!(SpinLock::new(
    &TASKLETS_LOCK,
    Queue { lists: [const { List::new() }; 2], lengths: [0; 2] }
));

impl Queue {
    fn push(&mut self, cpu: CpuId, list: usize, core: Arc<Core>) {
        core.listed_on.store(cpu, Relaxed);
        let pushed = self.lists[list].push_back(core);
        assert!(pushed.is_ok(), "a tasklet is on two lists");
        self.lengths[list] += 1;
    }

    fn pop(&mut self, list: usize) -> Option<Arc<Core>> {
        let core = self.lists[list].pop_front()?;
        self.lengths[list] -= 1;
        core.listed_on.store(NOWHERE, Relaxed);
        Some(core)
    }

    fn remove(&mut self, core: &Core) -> Option<Arc<Core>> {
        let list = self.lists.iter().position(|list| list.contains(core))?;
        let removed = self.lists[list].remove(core)?;
        self.lengths[list] -= 1;
        removed.listed_on.store(NOWHERE, Relaxed);
        Some(removed)
    }
}

/// Puts a tasklet that is nobody else's on this CPU's list. `here` was made before it became nobody else's: a task that is
/// preempted in between would keep its killer waiting.
fn enqueue(core: Arc<Core>, high: bool, here: PreemptGuard) {
    QUEUES.this().lock_irq().push(machine::cpu::id(), usize::from(high), core);
    raise_under(if high { Vector::Hi } else { Vector::Tasklet }, here);
}

impl Core {
    /// Changes the state in one step, if `change` gives a new one; returns the old.
    fn update(&self, change: impl Fn(u32) -> Option<u32>) -> Result<u32, u32> {
        self.state.fetch_update(SeqCst, SeqCst, change)
    }

    /// Off its list into the hands of this CPU. Under the lock of the list, or taken from there.
    fn begin(&self) {
        // Before it is marked: who sees the mark may ask where.
        self.running_on.store(machine::cpu::id(), Relaxed);
        let changed = self.update(|state| Some(state & !(SCHEDULED | HIGH) | RUNNING));
        debug_assert!(
            changed.is_ok_and(|old| old & (SCHEDULED | RUNNING) == SCHEDULED),
            "a tasklet on a list runs, or does not want to"
        );
    }

    /// Runs it, or holds it if it is disabled. [`begin`](Self::begin) was called.
    fn run(self: Arc<Self>, high: bool) {
        if self.disabled.load(SeqCst) != 0 {
            self.hold(high);
            return;
        }
        // After the look whether it is disabled: enabled by who has dropped it before, it does not run.
        if self.state.load(SeqCst) & DROPPED != 0 {
            return;
        }
        (self.function)();
        let here = PreemptGuard::new();
        self.running_on.store(NOWHERE, Relaxed);
        let old = self.state.fetch_and(!RUNNING, SeqCst);
        if old & SCHEDULED != 0 {
            enqueue(self, old & HIGH != 0, here);
        }
    }

    fn hold(self: Arc<Self>, high: bool) {
        let wanted = SCHEDULED | HELD | if high { HIGH } else { 0 };
        self.running_on.store(NOWHERE, Relaxed);
        machine::irq::point();
        let held = self.update(|state| Some(state & !RUNNING | wanted));
        debug_assert!(held.is_ok());
        machine::irq::point();
        if self.disabled.load(SeqCst) == 0 {
            self.let_go();
        }
    }

    /// Puts it back on a list if it is held.
    fn let_go(self: Arc<Self>) {
        let here = PreemptGuard::new();
        machine::irq::point();
        let old = self.state.fetch_and(!HELD, SeqCst);
        if old & HELD != 0 {
            enqueue(self, old & HIGH != 0, here);
        }
    }

    /// Forgets that it wants to run, if it is held. Whoever takes the mark off has it.
    fn drop_held(&self) {
        let _ =
            self.update(|state| (state & HELD != 0).then_some(state & !(HELD | SCHEDULED | HIGH)));
    }

    fn schedule(self: &Arc<Self>, high: bool) -> bool {
        let wanted = SCHEDULED | if high { HIGH } else { 0 };
        let here = PreemptGuard::new();
        loop {
            let changed =
                self.update(|state| (state & (SCHEDULED | KILLED) == 0).then_some(state | wanted));
            match changed {
                // Its runner puts it on a list when it has run.
                Ok(old) if old & RUNNING != 0 => return true,
                Ok(_) => {
                    enqueue(self.clone(), high, here);
                    return true;
                }
                // A look is not enough to leave it at that: what the caller wrote before could become visible after it, when the
                // run that it relies on has begun. An exchange is: either the exchange in `begin` comes later, and
                // the run sees it all, or this sees that it has begun.
                Err(_) if self.state.fetch_or(0, SeqCst) & (SCHEDULED | KILLED) != 0 => {
                    return false;
                }
                Err(_) => {}
            }
        }
    }

    /// Takes it off the list on which it waits.
    fn unlist(&self) -> Option<Arc<Self>> {
        loop {
            let cpu = self.listed_on.load(Relaxed);
            if cpu == NOWHERE {
                return None;
            }
            let mut queue = QUEUES.of(cpu).lock_irq();
            if let Some(core) = queue.remove(self) {
                return Some(core);
            }
        }
    }

    fn wait_while(&self, bits: u32) {
        while self.state.load(SeqCst) & bits != 0 {
            let here = machine::cpu::id();
            let is_caller = self.running_on.load(Relaxed) == here && sync::in_interrupt();
            assert!(!is_caller, "a tasklet waits for its own end");
            machine::cpu::relax();
        }
    }
}

/// A function that is run in a softirq each time it is scheduled, on the CPU where that was done, and never on two CPUs at once.
/// Dropping it takes it back, if it has not begun to run.
pub struct Tasklet {
    core: Arc<Core>,
}

impl Tasklet {
    /// A tasklet that is not scheduled. `function` runs in a softirq: it must not sleep, and may schedule the tasklet again.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            core: Arc::new(Core {
                links: Links::new(),
                state: AtomicU32::new(0),
                disabled: AtomicU32::new(0),
                listed_on: AtomicUsize::new(NOWHERE),
                running_on: AtomicUsize::new(NOWHERE),
                function: Box::new(function),
            }),
        }
    }

    /// Has it run once from now on. Returns false if it is scheduled already, and then the run that is to come sees what the
    /// caller wrote before, or has been killed. One that runs may be scheduled: it runs once more. (If it only looked as if it would run, and was disabled, once is for both.) As [`raise`](crate::raise) for the context.
    pub fn schedule(&self) -> bool {
        self.core.schedule(false)
    }

    /// As [`schedule`](Self::schedule), before the ordinary ones and before all other softirqs.
    pub fn schedule_high(&self) -> bool {
        self.core.schedule(true)
    }

    /// Whether it is scheduled and has not begun to run.
    pub fn is_scheduled(&self) -> bool {
        self.core.state.load(SeqCst) & SCHEDULED != 0
    }

    /// Keeps it from running until the result is dropped, and waits, spinning, until it does not run. It may be scheduled
    /// meanwhile. Nests. In a task, or in another tasklet's function.
    pub fn disable(&self) -> Disabled {
        let disabled = self.disable_nosync();
        self.core.wait_while(RUNNING);
        disabled
    }

    /// As [`disable`](Self::disable), but it may still be running on another CPU. Any context.
    pub fn disable_nosync(&self) -> Disabled {
        // SeqCst: see the head of this file.
        self.core.disabled.fetch_add(1, SeqCst);
        Disabled { core: self.core.clone() }
    }

    /// Ends it: what is scheduled is run first, unless it is disabled, and nothing after this returns. Spins while it runs on another
    /// CPU; what waits to run is run here. Returns whether it was scheduled. In a task.
    pub fn kill(&self) -> bool {
        let core = &self.core;
        let mut was_scheduled = core.state.fetch_or(KILLED, SeqCst) & SCHEDULED != 0;
        loop {
            let state = core.state.load(SeqCst);
            if state & (SCHEDULED | RUNNING) == 0 {
                return was_scheduled;
            }
            was_scheduled |= state & SCHEDULED != 0;
            if state & HELD != 0 {
                if core.disabled.load(SeqCst) != 0 {
                    core.drop_held();
                } else {
                    // Not left to who has just enabled it: that may be a task that waits for this CPU.
                    core.clone().let_go();
                }
            } else if state & RUNNING != 0 {
                core.wait_while(RUNNING);
            } else {
                self.run_here();
            }
        }
    }

    /// Runs it, if it waits on a list, in place of the CPU whose list that is.
    fn run_here(&self) {
        let _softirqs_off = BottomHalfGuard::new();
        match self.core.unlist() {
            Some(core) => {
                let high = core.state.load(SeqCst) & HIGH != 0;
                core.begin();
                core.run(high);
            }
            // It is on its way to a list, or from there to run.
            None => machine::cpu::relax(),
        }
    }
}

impl Drop for Tasklet {
    fn drop(&mut self) {
        // Held, on its way to a list, or scheduled anew while it runs: whoever is about to run it sees that it was dropped.
        self.core.state.fetch_or(KILLED | DROPPED, SeqCst);
        // Its links hold it, and its function perhaps whoever drops it: so it goes now, not when its turn comes.
        let unlisted = self.core.unlist();
        drop(unlisted);
    }
}

/// A tasklet that is kept from running, until this is dropped.
#[must_use = "the tasklet is enabled again when this is dropped"]
pub struct Disabled {
    core: Arc<Core>,
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // SeqCst: see the head of this file.
        if self.core.disabled.fetch_sub(1, SeqCst) == 1 {
            self.core.clone().let_go();
        }
    }
}

/// Runs what was on one of this CPU's lists when it began; what is scheduled meanwhile is for the next round.
fn run_list(list: usize) {
    let high = list == 1;
    let queue = QUEUES.this();
    let mut left = None;
    loop {
        let mut queue = queue.lock_irq();
        let left = left.get_or_insert(queue.lengths[list]);
        if *left == 0 {
            return;
        }
        *left -= 1;
        let Some(core) = queue.pop(list) else { return };
        core.begin();
        drop(queue);
        core.run(high);
    }
}

/// Gives the two vectors their handlers.
pub(crate) fn open_vectors() {
    open(Vector::Tasklet, || run_list(0));
    open(Vector::Hi, || run_list(1));
}

/// Moves the tasklets of a CPU that has gone to this one. Preemption off.
pub(crate) fn take_over(gone: CpuId) {
    let here = machine::cpu::id();
    let _irqs_off = sync::IrqGuard::new();
    // In between a tasklet is on its way to a list, as after it was scheduled: its killer looks again, and interrupts are off.
    for list in 0..2 {
        let pop = || QUEUES.of(gone).lock_irq().pop(list);
        while let Some(core) = pop() {
            QUEUES.of(here).lock_irq().push(here, list, core);
        }
    }
}
