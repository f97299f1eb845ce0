//! The processor's counter, and the clocks by system calls.

use crate::error::{Errno, Result, check};
use crate::sys::{self, number};
use crate::vdso::Time;

/// Ticks since the machine started: instructions where QEMU counts these, and the host's own counter otherwise.
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and reading it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn fill<T>(mut place: T, number: usize, first: usize) -> Result<T> {
    // SAFETY: the calls here store one `T` where the second argument says.
    check(unsafe { sys::call(number, [first, &raw mut place as usize, 0, 0, 0, 0]) })?;
    Ok(place)
}

/// `clock_gettime`
pub fn gettime(clock: i32) -> Result<Time> {
    fill([0; 2], number::CLOCK_GETTIME, clock as usize)
}

/// `clock_getres`
pub fn getres(clock: i32) -> Result<Time> {
    fill([0; 2], number::CLOCK_GETRES, clock as usize)
}

/// `clock_settime`
pub fn settime(clock: i32, time: Time) -> Result<()> {
    let arguments = [clock as usize, &raw const time as usize, 0, 0, 0, 0];
    // SAFETY: the kernel reads a time.
    check(unsafe { sys::call(number::CLOCK_SETTIME, arguments) }).map(drop)
}

/// `gettimeofday`
pub fn gettimeofday() -> Result<Time> {
    let mut time = [0; 2];
    // SAFETY: the kernel stores a time.
    check(unsafe { sys::call(number::GETTIMEOFDAY, [&raw mut time as usize, 0, 0, 0, 0, 0]) })?;
    Ok(time)
}

/// `time`
pub fn time() -> Result<i64> {
    // SAFETY: nothing is stored.
    check(unsafe { sys::call(number::TIME, [0; 6]) }).map(|seconds| seconds as i64)
}

/// `getcpu`: the CPU and the node.
pub fn getcpu() -> Result<(u32, u32)> {
    let (mut cpu, mut node) = (u32::MAX, u32::MAX);
    let arguments = [&raw mut cpu as usize, &raw mut node as usize, 0, 0, 0, 0];
    // SAFETY: the kernel stores two numbers.
    check(unsafe { sys::call(number::GETCPU, arguments) })?;
    Ok((cpu, node))
}

/// What the vDSO says instead of an error: it gives what the system call returned.
pub fn error_of(returned: i32) -> Errno {
    Errno(-returned)
}
