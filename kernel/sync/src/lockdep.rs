//! The lock checker of debug builds.
//!
//! Every lock belongs to a class. While a CPU holds locks of some classes and takes one of another,
//! the checker learns "these before that". If the opposite was ever learned, directly or through others, two CPUs
//! could deadlock, and the checker reports it, without the deadlock having to happen. It also reports
//! a class that an interrupt handler takes and that is elsewhere taken with interrupts on, taking a lock of a class that is
//! held already, and sleeping while any is held.
//!
//! Release builds carry none of this: a tracker is empty and its calls vanish.

use core::sync::atomic::{AtomicPtr, Ordering};

/// A kind of lock. One `static` per kind, beside the data it protects; the comment there says its place in the order.
pub struct LockClass {
    name: &'static str,
    #[cfg(debug_assertions)]
    graph: checker::Node,
}

impl LockClass {
    /// A class, with the name that reports use.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            #[cfg(debug_assertions)]
            graph: checker::Node::new(),
        }
    }

    /// The class's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Writes who is running, for reports. The scheduler sets it.
static CONTEXT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Tells the checker how to name the running thread.
pub fn set_context_hook(hook: fn(&mut dyn core::fmt::Write)) {
    CONTEXT.store(hook as *mut (), Ordering::Release);
}

/// Names the running thread through the hook.
pub struct RunningThread;

impl core::fmt::Display for RunningThread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let hook = CONTEXT.load(Ordering::Acquire);
        if hook.is_null() {
            return f.write_str("start-up");
        }
        // SAFETY: the only non-null values stored are pointers to functions of this type.
        let hook: fn(&mut dyn core::fmt::Write) = unsafe { core::mem::transmute(hook) };
        hook(f);
        Ok(())
    }
}

/// The part of a lock that the checker uses.
pub struct Tracker {
    #[cfg(debug_assertions)]
    class: &'static LockClass,
}

impl Tracker {
    /// For a lock of this class.
    pub const fn new(class: &'static LockClass) -> Self {
        #[cfg(debug_assertions)]
        return Self { class };
        #[cfg(not(debug_assertions))]
        {
            let _ = class;
            Self {}
        }
    }

    /// Called before a spin lock is waited for. `nested`: a lock of the same class may be held.
    #[inline]
    #[track_caller]
    pub fn acquire(&self, nested: bool) {
        #[cfg(debug_assertions)]
        checker::acquire_spinning(self.class, nested);
        #[cfg(not(debug_assertions))]
        let _ = nested;
    }

    /// Called when a lock was taken without waiting, which no order can make wrong.
    #[inline]
    pub fn acquired_by_trying(&self) {
        #[cfg(debug_assertions)]
        checker::acquired_by_trying(self.class);
    }

    /// Called before a spin lock is released.
    #[inline]
    pub fn release(&self) {
        #[cfg(debug_assertions)]
        checker::release_spinning(self.class);
    }

    /// Called before a sleeping lock is waited for; `held` is the running task's list of such locks.
    #[inline]
    #[track_caller]
    pub fn acquire_sleeping(&self, held: &Held) {
        self.acquire_sleeping_as(held, false);
    }

    /// As [`acquire_sleeping`](Self::acquire_sleeping); `nested`: a lock of the same class may be held.
    #[inline]
    #[track_caller]
    pub fn acquire_sleeping_as(&self, held: &Held, nested: bool) {
        #[cfg(debug_assertions)]
        checker::acquire_sleeping(self.class, held, nested);
        #[cfg(not(debug_assertions))]
        {
            let _ = nested;
            held.change(1);
        }
    }

    /// Called when a sleeping lock was taken without waiting, which no order can make wrong.
    #[inline]
    pub fn acquired_sleeping_by_trying(&self, held: &Held) {
        #[cfg(debug_assertions)]
        checker::acquired_sleeping_by_trying(self.class, held);
        #[cfg(not(debug_assertions))]
        held.change(1);
    }

    /// Called when a sleeping lock is released.
    #[inline]
    pub fn release_sleeping(&self, held: &Held) {
        #[cfg(debug_assertions)]
        held.remove(self.class);
        #[cfg(not(debug_assertions))]
        held.change(-1);
    }
}

/// Reports a sleep in an atomic section.
#[cfg(debug_assertions)]
#[track_caller]
#[cold]
pub(crate) fn report_sleep_in_atomic() -> ! {
    checker::report_sleep_in_atomic()
}

/// How many spin locks this CPU holds, in debug builds; 0 in release builds.
pub fn held_spinning() -> usize {
    #[cfg(debug_assertions)]
    return checker::held_here().len();
    #[cfg(not(debug_assertions))]
    0
}

#[cfg(debug_assertions)]
pub use checker::Held;

/// How many sleeping locks a task holds: what release builds keep of the list, so that they know whether a thread that panics
/// can be let go.
#[cfg(not(debug_assertions))]
#[derive(Default)]
pub struct Held(core::sync::atomic::AtomicUsize);

#[cfg(not(debug_assertions))]
impl Held {
    /// None.
    pub const fn new() -> Self {
        Self(core::sync::atomic::AtomicUsize::new(0))
    }

    /// How many sleeping locks the task holds.
    pub fn len(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Only the task itself changes its count: load and store are enough.
    fn change(&self, by: isize) {
        self.0.store(self.len().wrapping_add_signed(by), Ordering::Relaxed);
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(debug_assertions)]
mod checker;
