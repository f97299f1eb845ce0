//! The timers of one CPU: a binary heap by deadline that knows each timer's place.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use machine::CpuId;
use sync::{IrqGuard, LockClass, PerCpu, PreemptGuard, SpinLock, per_cpu};

use crate::timer::{Core, NOWHERE};

/// Taken with interrupts off, in interrupts too; takes nothing but the heap's locks.
static QUEUE_LOCK: LockClass = LockClass::new("timer_queue");

/// How long one timer interrupt runs functions, in nanoseconds, before it lets the CPU go on.
const LONGEST_RUN: u64 = crate::MILLISECOND;

static QUEUES: PerCpu<SpinLock<Queue>> = per_cpu!(SpinLock::new(&QUEUE_LOCK, Queue::new()));

struct Entry {
    deadline: u64,
    timer: Arc<Core>,
}

struct Queue {
    heap: Vec<Entry>,
    /// The timer whose function this CPU is running.
    running: Option<Arc<Core>>,
    /// What the hardware was last told.
    programmed: Option<u64>,
}

impl Queue {
    const fn new() -> Self {
        Self { heap: Vec::new(), running: None, programmed: None }
    }

    fn first(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    fn place(&self, index: usize) {
        self.heap[index].timer.position.store(index, Ordering::Relaxed);
    }

    fn insert(&mut self, cpu: CpuId, entry: Entry) {
        entry.timer.queued_on.store(cpu, Ordering::Relaxed);
        self.heap.push(entry);
        self.rise(self.heap.len() - 1);
    }

    fn remove(&mut self, index: usize) -> Entry {
        let entry = self.heap.swap_remove(index);
        if index < self.heap.len() {
            self.sink(index);
            self.rise(index);
        }
        entry.timer.queued_on.store(NOWHERE, Ordering::Relaxed);
        entry
    }

    fn rise(&mut self, mut index: usize) {
        while index > 0 {
            let parent = (index - 1) / 2;
            if self.heap[parent].deadline <= self.heap[index].deadline {
                break;
            }
            self.heap.swap(parent, index);
            self.place(index);
            index = parent;
        }
        self.place(index);
    }

    fn sink(&mut self, mut index: usize) {
        loop {
            let left = 2 * index + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len()
                && self.heap[right].deadline < self.heap[left].deadline
            {
                right
            } else {
                left
            };
            if self.heap[index].deadline <= self.heap[child].deadline {
                break;
            }
            self.heap.swap(index, child);
            self.place(index);
            index = child;
        }
        self.place(index);
    }

    /// Tells this CPU's hardware about the first timer, if it does not know yet.
    fn program(&mut self) {
        self.program_not_before(0);
    }

    fn program_not_before(&mut self, earliest: u64) {
        let first = self.first().map(|first| first.max(earliest));
        if first != self.programmed {
            self.programmed = first;
            machine::time::set_timer(first);
        }
    }
}

pub(crate) fn start(timer: &Arc<Core>, deadline: u64) {
    let _here = PreemptGuard::new();
    cancel(timer);
    let mut queue = QUEUES.this().lock_irq();
    // Somebody else may have started it since it was taken out above; theirs is then moved here by
    // cancelling again, which cannot be done with this lock held. A timer has one owner, so it is rare.
    if timer.queued_on.load(Ordering::Relaxed) != NOWHERE {
        drop(queue);
        cancel(timer);
        queue = QUEUES.this().lock_irq();
        if timer.queued_on.load(Ordering::Relaxed) != NOWHERE {
            return;
        }
    }
    queue.insert(machine::cpu::id(), Entry { deadline, timer: timer.clone() });
    queue.program();
}

pub(crate) fn cancel(timer: &Arc<Core>) -> bool {
    loop {
        let cpu = timer.queued_on.load(Ordering::Relaxed);
        if cpu == NOWHERE {
            return false;
        }
        let mut queue = QUEUES.of(cpu).lock_irq();
        if timer.queued_on.load(Ordering::Relaxed) != cpu {
            continue;
        }
        let position = timer.position.load(Ordering::Relaxed);
        let entry = queue.remove(position);
        // The hardware is left as it is: an interrupt too early costs less than setting it twice.
        drop(queue);
        drop(entry);
        return true;
    }
}

pub(crate) fn cancel_sync(timer: &Arc<Core>) -> bool {
    let mut was_pending = false;
    loop {
        was_pending |= cancel(timer);
        let running = QUEUES.iter().any(|queue| {
            queue.lock_irq().running.as_ref().is_some_and(|running| Arc::ptr_eq(running, timer))
        });
        if !running && timer.queued_on.load(Ordering::Relaxed) == NOWHERE {
            return was_pending;
        }
        machine::cpu::relax();
    }
}

/// The timer interrupt: runs what is due on this CPU and programs the next.
pub fn interrupt() {
    let queue = QUEUES.this();
    let mut held = queue.lock_irq();
    held.programmed = None;
    let begin = machine::time::now();
    let mut earliest = 0;
    while let Some(first) = held.first() {
        let now = machine::time::now();
        if first > now {
            break;
        }
        if now - begin > LONGEST_RUN {
            // A program may ask for a period that is shorter than this loop takes: the CPU gets as much time as the timers had.
            earliest = now + (now - begin);
            break;
        }
        let entry = held.remove(0);
        held.running = Some(entry.timer.clone());
        drop(held);
        entry.timer.fire();
        held = queue.lock_irq();
        let running = held.running.take();
        // Not under the lock: this may be the timer's last reference, and its function's captures go with it.
        drop(held);
        drop((running, entry));
        held = queue.lock_irq();
    }
    held.program_not_before(earliest);
}

/// Moves the timers of a CPU that has gone to the CPU this runs on.
pub fn migrate_from(gone: CpuId) {
    let _here = PreemptGuard::new();
    let here = machine::cpu::id();
    let _irqs_off = IrqGuard::new();
    // Both locked, and nobody else locks two: a timer goes over without being nowhere in between, where its owner would not
    // find it to cancel it, or would start it a second time.
    let mut theirs = QUEUES.of(gone).lock_irq();
    let mut ours = QUEUES.of(here).lock_irq_nested();
    theirs.programmed = None;
    // The last of a heap can be taken without putting the others in order again.
    while let Some(entry) = theirs.heap.pop() {
        ours.insert(here, entry);
    }
    ours.program();
}
