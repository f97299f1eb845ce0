//! What a thread has registered for restartable sequences. What follows from it is `syscall`'s affair.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use sched::{RSEQ_REGISTERED, RSEQ_RESTART, Task};

/// A registration: written by the thread itself, or by who makes it.
#[derive(Debug)]
pub struct Rseq {
    /// Where the area is; 0: not registered.
    area: AtomicUsize,
    signature: AtomicU32,
    /// How often the task had left a CPU when the area was last brought up to date, modulo 2^32: it would have to leave one just so
    /// often in a single system call to be mistaken.
    seen: AtomicU32,
}

impl Rseq {
    pub(crate) const fn none() -> Self {
        Self { area: AtomicUsize::new(0), signature: AtomicU32::new(0), seen: AtomicU32::new(0) }
    }

    /// The area and the signature, if the thread is registered.
    pub fn registration(&self) -> Option<(usize, u32)> {
        match self.area.load(Relaxed) {
            0 => None,
            area => Some((area, self.signature.load(Relaxed))),
        }
    }

    /// Registers `task`, whose registration this is. It is the running one, or has not run yet.
    pub fn register(&self, task: &Task, area: usize, signature: u32) {
        self.area.store(area, Relaxed);
        self.signature.store(signature, Relaxed);
        // The area has never been brought up to date.
        task.add_signal(RSEQ_REGISTERED | RSEQ_RESTART);
    }

    /// Ends the registration of the running task.
    pub fn unregister(&self, task: &Task) {
        self.area.store(0, Relaxed);
        task.remove_signal(RSEQ_REGISTERED | RSEQ_RESTART);
    }

    /// Whether the area of the running task is out of date: it has left its CPU, or somebody wants its sequence to start over.
    #[inline]
    pub fn is_stale(&self, task: &Task) -> bool {
        let work = task.return_work();
        work & RSEQ_REGISTERED != 0
            && (work & RSEQ_RESTART != 0 || self.seen.load(Relaxed) != task.switches() as u32)
    }

    /// The area of the running task is brought up to date now; what happens from here on makes it stale again.
    pub fn refresh(&self, task: &Task) {
        task.remove_signal(RSEQ_RESTART);
        self.seen.store(task.switches() as u32, Relaxed);
    }
}
