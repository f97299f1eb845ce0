//! How long a tick of the guest's counter is.

use super::results::Method;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds per tick. Counting instructions, a tick is one; otherwise the guest sees the host's own counter.
pub(super) fn nanoseconds(method: Method) -> f64 {
    static HOST: OnceLock<f64> = OnceLock::new();
    match method {
        Method::Instructions => 1.0,
        Method::Wall { .. } => *HOST.get_or_init(measure),
    }
}

/// Ticks per millisecond.
pub(super) fn kilohertz(method: Method) -> u64 {
    (1e6 / nanoseconds(method)).round() as u64
}

fn measure() -> f64 {
    const WHILE: Duration = Duration::from_millis(100);
    let (start, first) = (Instant::now(), counter(Instant::now()));
    std::thread::sleep(WHILE);
    let (passed, last) = (start.elapsed(), counter(start));
    passed.as_nanos() as f64 / last.wrapping_sub(first).max(1) as f64
}

#[cfg(target_arch = "x86_64")]
fn counter(_: Instant) -> u64 {
    // SAFETY: every x86-64 processor has the counter, and reading it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// QEMU gives the guest its clock of nanoseconds where the host has no such counter.
#[cfg(not(target_arch = "x86_64"))]
fn counter(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}
