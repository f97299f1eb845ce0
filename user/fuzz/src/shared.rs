//! What workers tell their supervisor, in memory that they share.

use crate::PROCESSES_MAX;
use core::sync::atomic::{AtomicU64, Ordering};
use runtime::Result;
use runtime::memory::{self, PROT_READ, PROT_WRITE};

/// The shared page. All zero at first.
#[repr(C)]
pub(crate) struct Shared {
    calls: [AtomicU64; PROCESSES_MAX],
    /// The next step of the systematic part.
    step: AtomicU64,
    leak_value: AtomicU64,
    leak_call: AtomicU64,
    leak_seed: AtomicU64,
}

/// Something that the kernel should have kept to itself.
#[derive(Clone, Copy)]
pub(crate) struct Leak {
    /// The system call that gave it away.
    pub call: u64,
    /// What it was.
    pub value: u64,
    /// The seed of the worker that saw it.
    pub seed: u64,
}

impl Shared {
    /// A page that children share with their parent.
    pub(crate) fn new() -> Result<&'static Self> {
        let page = memory::map(size_of::<Self>(), PROT_READ | PROT_WRITE, true)?;
        // SAFETY: the page is mapped for good, aligned, zeroed, and atomics may be zero and shared.
        Ok(unsafe { &*(page as *const Self) })
    }

    /// Counts a call of the worker in this place.
    pub(crate) fn count_call(&self, place: usize) {
        self.calls[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls made by the workers in this place so far.
    pub(crate) fn calls_of(&self, place: usize) -> u64 {
        self.calls[place].load(Ordering::Relaxed)
    }

    /// Calls made by all so far.
    pub(crate) fn calls(&self) -> u64 {
        (0..PROCESSES_MAX).map(|place| self.calls_of(place)).sum()
    }

    /// Takes the next step of the systematic part; each is taken once.
    pub(crate) fn take_step(&self) -> u64 {
        self.step.fetch_add(1, Ordering::Relaxed)
    }

    /// Steps taken so far.
    pub(crate) fn steps(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    /// Tells the supervisor of a leak.
    pub(crate) fn tell(&self, leak: Leak) {
        self.leak_call.store(leak.call, Ordering::Relaxed);
        self.leak_seed.store(leak.seed, Ordering::Relaxed);
        // Last, and for `leak` to see the other two with it.
        self.leak_value.store(leak.value, Ordering::Release);
    }

    /// The leak that was found, if one was.
    pub(crate) fn leak(&self) -> Option<Leak> {
        let value = self.leak_value.load(Ordering::Acquire);
        (value != 0).then(|| Leak {
            call: self.leak_call.load(Ordering::Relaxed),
            value,
            seed: self.leak_seed.load(Ordering::Relaxed),
        })
    }
}
