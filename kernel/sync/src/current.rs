//! The slot that says which task runs on this CPU, and the one switch that changes it.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use machine::thread::Context;

use crate::{CachePadded, PerCpu};

/// Whether some slot has been claimed: the machine has one word per CPU, so there is one slot.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// The running task of each CPU.
///
/// A CPU's word owns one strong reference to its task, so that the task lives while it runs. There is one slot
/// in a kernel: the second one to be used panics, which is what lets the word be read
/// as a `T` without asking.
pub struct CurrentSlot<T: 'static> {
    claimed: AtomicBool,
    /// Per CPU: the task that was left last and is not yet picked up by its successor.
    previous: PerCpu<AtomicPtr<T>>,
}

impl<T: Send + Sync> CurrentSlot<T> {
    /// An unclaimed slot.
    #[expect(clippy::new_without_default, reason = "a slot is a static")]
    pub const fn new() -> Self {
        Self {
            claimed: AtomicBool::new(false),
            previous: PerCpu::from_rows(
                [const { CachePadded::new(AtomicPtr::new(core::ptr::null_mut())) };
                    machine::MAX_CPUS],
            ),
        }
    }

    /// Says that the code running now on this CPU is `task`: for the first task of a CPU.
    ///
    /// # Panics
    /// If another slot is in use, or the CPU has a task already.
    pub fn adopt(&self, task: Arc<T>) {
        if !self.claimed.load(Ordering::Relaxed) {
            assert!(!CLAIMED.swap(true, Ordering::Relaxed), "a second slot for the running task");
            self.claimed.store(true, Ordering::Release);
        }
        assert!(machine::cpu::current().is_null(), "this CPU runs a task already");
        machine::cpu::set_current(Arc::into_raw(task).cast());
    }

    /// Whether this CPU runs a task yet.
    #[inline]
    pub fn is_set(&self) -> bool {
        !machine::cpu::current().is_null()
    }

    /// The running task.
    ///
    /// # Panics
    /// If this CPU has none yet.
    #[inline]
    pub fn get(&self) -> Current<T> {
        let task: *const T = machine::cpu::current().cast();
        assert!(!task.is_null() && self.claimed.load(Ordering::Relaxed), "no task runs here yet");
        Current { task, not_send: PhantomData }
    }

    /// Leaves the running task for `next` and returns, when somebody switches back, the task that this
    /// CPU ran before. Interrupts are off, and `context` gives a task's own context.
    pub fn switch(&self, next: Arc<T>, context: fn(&T) -> &Context) -> Option<Arc<T>> {
        let previous: *const T = machine::cpu::current().cast();
        let next_pointer = Arc::into_raw(next);
        machine::cpu::set_current(next_pointer.cast());
        self.previous.this().store(previous.cast_mut(), Ordering::Relaxed);
        // SAFETY: `previous` was this CPU's word, whose strong reference now sits in the `previous` row and is
        // taken out only by code that runs after the switch. `next`'s reference is the word's.
        let (from, to) = unsafe { (&*previous, &*next_pointer) };
        machine::thread::switch(context(from), context(to));
        self.arrived()
    }

    /// After a switch to a new context: the task that this CPU ran before. Interrupts still off.
    pub fn arrived(&self) -> Option<Arc<T>> {
        let row = self.previous.this();
        let previous = row.load(Ordering::Relaxed);
        if previous.is_null() {
            return None;
        }
        row.store(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: `switch` put the reference of the task it left there, and the row is emptied once.
        Some(unsafe { Arc::from_raw(previous) })
    }
}

/// The running task, for as long as it runs: a borrow that cannot leave the task.
pub struct Current<T> {
    task: *const T,
    /// Another task must not get hold of it: only on its own stack is it sure to be alive.
    not_send: PhantomData<*const T>,
}

impl<T> Current<T> {
    /// A reference of one's own, to keep.
    pub fn to_arc(&self) -> Arc<T> {
        // SAFETY: the pointer came from `Arc::into_raw`, and the CPU's word (or, between the change of the word
        // and the end of the switch, the `previous` row) holds a strong reference while the task runs.
        unsafe {
            Arc::increment_strong_count(self.task);
            Arc::from_raw(self.task)
        }
    }
}

impl<T> Deref for Current<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `to_arc`; `Current` is not `Send`, so this code is on the task's own stack.
        unsafe { &*self.task }
    }
}
