//! What programs can find out without asking the kernel: the time, from the counter behind the monotonic clock, and where
//! they run.

/// A CPU's number takes so many bits of the word that user mode can read of it; its node's number is above them.
pub const CPU_NUMBER_BITS: u32 = 12;

/// How the processor's counter and the monotonic clock go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The counter's value at time 0.
    pub start: u64,
    /// Nanoseconds a tick of the counter, with 32 bits of fraction.
    pub tick_length: u64,
}

impl Counter {
    /// The time, in nanoseconds, when the counter has this value. Grows with it.
    #[inline]
    pub const fn time_at(&self, value: u64) -> u64 {
        let ticks = value.saturating_sub(self.start) as u128;
        ((ticks * self.tick_length as u128) >> 32) as u64
    }
}
