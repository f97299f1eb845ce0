//! Memory barriers on all CPUs that run a program: what `membarrier` is made of.

use core::sync::atomic::Ordering;

use bitflags::bitflags;

use crate::mm::Mm;

bitflags! {
    /// The kinds of barriers that a program has registered for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Barriers: u32 {
        /// Memory.
        const MEMORY = 1 << 0;
        /// Memory, and what instructions a CPU has fetched.
        const SYNC_CORE = 1 << 1;
        /// Memory, and restartable sequences start over.
        const RSEQ = 1 << 2;
    }
}

impl Mm {
    /// The program will ask for such barriers. A child has registered for the same.
    pub fn register_barriers(&self, kinds: Barriers) {
        // Relaxed: a word of its own. Whoever asks has to have registered in its own order.
        self.barriers.fetch_or(kinds.bits(), Ordering::Relaxed);
    }

    /// What the program has registered for.
    pub fn barriers(&self) -> Barriers {
        Barriers::from_bits_retain(self.barriers.load(Ordering::Relaxed))
    }

    /// Every CPU that runs the program passes a memory barrier between the call and its return, and forgets the instructions that
    /// it has fetched.
    pub fn barrier(&self) {
        self.space.barrier();
    }
}
