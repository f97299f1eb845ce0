//! The execution that loom runs just now, and what exists in it only.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// How many executions have begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// One model at a time: the statics in the code under test are there once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a model in every way in which it can go.
///
/// # Panics
/// If one of them does, or leaves a reference behind.
pub fn model(story: impl Fn() + Send + Sync + 'static) {
    check(None, story);
}

/// As [`model`], but takes the CPU from a thread that could go on so many times at most: for models that take too long otherwise.
///
/// # Panics
/// As [`model`].
pub fn model_with_switches(most: usize, story: impl Fn() + Send + Sync + 'static) {
    check(Some(most), story);
}

fn check(switches: Option<usize>, story: impl Fn() + Send + Sync + 'static) {
    // A model that has failed leaves nothing that the next one uses.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches;
    builder.check(move || {
        BEGUN.fetch_add(1, Relaxed);
        crate::arc::begin();
        story();
        crate::arc::end();
    });
}

/// Something of loom's, made at its first use in each execution.
pub(crate) struct Lazy<T> {
    made: UnsafeCell<Option<(u64, T)>>,
}

// SAFETY: one model runs at a time, and loom runs its threads on one thread of the host, one after the other; it goes from one to the other in
// its own operations only, and none is under way where `get` and `take` use the cell.
unsafe impl<T> Sync for Lazy<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Lazy<T> {}

impl<T> Lazy<T> {
    pub(crate) const fn new() -> Self {
        Self { made: UnsafeCell::new(None) }
    }

    /// It, as it is in this execution. `make` does nothing that loom could take for a place to go to another thread.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &T {
        let now = BEGUN.load(Relaxed);
        // SAFETY: nobody changes it now, see above.
        let made = unsafe { &*self.made.get() };
        if let Some((_, value)) = made.as_ref().filter(|(execution, _)| *execution == now) {
            return value;
        }
        let value = make();
        // SAFETY: what was borrowed of it was in an execution that has ended.
        let made = unsafe { &mut *self.made.get() };
        &made.insert((now, value)).1
    }

    /// Takes it out, if it was made in this execution.
    pub(crate) fn take(&mut self) -> Option<T> {
        let now = BEGUN.load(Relaxed);
        self.made
            .get_mut()
            .take()
            .filter(|(execution, _)| *execution == now)
            .map(|(_, value)| value)
    }
}
