//! The processor's counter.

/// Ticks since the machine started: instructions where QEMU counts these, and the host's own counter otherwise.
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and reading it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}
