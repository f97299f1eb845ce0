//! The vDSO: a small shared object that the kernel maps into every process, whose functions read the clocks without a
//! system call, from the page that is mapped just below it. See `vvar` for how.
//!
//! Names, arguments and results are those of Linux's vDSO on x86-64. Where the page cannot tell, a function makes the
//! system call, so it always gives what that would have given.
#![no_std]
#![no_main]

mod abi;
mod hardware;
mod system_call;

use core::ffi::{c_int, c_long, c_uint, c_void};

use abi::{Timespec, Timeval, Timezone, put};
use system_call::{CLOCK_GETRES, CLOCK_GETTIME, GETCPU, GETTIMEOFDAY, TIME, system_call};
use vvar::{Clock, Precise};

/// What a clock shows, if the page can tell.
#[inline]
fn now(clock: Clock) -> Option<u64> {
    hardware::clock_page().now(clock, hardware::counter)
}

/// # Safety
/// As for the system call, but that a bad address is a fault here.
// SAFETY: nothing else here has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn __vdso_clock_gettime(number: c_int, result: *mut Timespec) -> c_int {
    let Some(time) = Precise::from_number(number)
        .and_then(|clock| hardware::clock_page().now_precise(clock, hardware::counter))
    else {
        // SAFETY: the caller's promise.
        return unsafe { other_clock(number, result) };
    };
    // SAFETY: the caller's promise.
    unsafe { result.write_unaligned(Timespec::from_nanoseconds(time)) };
    0
}

/// What fewer ask for. Called last, so that on the way of the others no registers are saved for it.
///
/// # Safety
/// As for `__vdso_clock_gettime`.
#[cold]
#[inline(never)]
unsafe extern "C" fn other_clock(number: c_int, result: *mut Timespec) -> c_int {
    if let Some(time) = Clock::from_number(number).and_then(now) {
        // SAFETY: the caller's promise.
        unsafe { result.write_unaligned(Timespec::from_nanoseconds(time)) };
        return 0;
    }
    system_call(CLOCK_GETTIME, number as usize, result.addr(), 0) as c_int
}

/// # Safety
/// As for the system call, but that a bad address is a fault here.
// SAFETY: nothing else here has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn __vdso_clock_getres(number: c_int, result: *mut Timespec) -> c_int {
    let Some(clock) = Clock::from_number(number) else {
        return system_call(CLOCK_GETRES, number as usize, result.addr(), 0) as c_int;
    };
    // SAFETY: the caller's promise.
    unsafe { put(result, Timespec::from_nanoseconds(clock.resolution())) };
    0
}

/// # Safety
/// As for the system call, but that a bad address is a fault here.
// SAFETY: nothing else here has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn __vdso_gettimeofday(result: *mut Timeval, zone: *mut Timezone) -> c_int {
    let Some(time) = now(Clock::Precise(Precise::Realtime)) else {
        return system_call(GETTIMEOFDAY, result.addr(), zone.addr(), 0) as c_int;
    };
    // SAFETY: the caller's promise.
    unsafe {
        put(result, Timeval::from_nanoseconds(time));
        put(zone, Timezone::NONE);
    }
    0
}

/// # Safety
/// As for the system call, but that a bad address is a fault here.
// SAFETY: nothing else here has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn __vdso_time(result: *mut c_long) -> c_long {
    let Some(time) = now(Clock::Precise(Precise::Realtime)) else {
        return system_call(TIME, result.addr(), 0, 0) as c_long;
    };
    let seconds = Timespec::from_nanoseconds(time).seconds;
    // SAFETY: the caller's promise.
    unsafe { put(result, seconds) };
    seconds
}

/// # Safety
/// As for the system call, but that a bad address is a fault here.
// SAFETY: nothing else here has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn __vdso_getcpu(
    cpu: *mut c_uint,
    node: *mut c_uint,
    unused: *mut c_void,
) -> c_int {
    if !hardware::clock_page().knows_cpu() {
        return system_call(GETCPU, cpu.addr(), node.addr(), unused.addr()) as c_int;
    }
    let place = hardware::place();
    // SAFETY: the caller's promise.
    unsafe {
        put(cpu, place & ((1 << vvar::CPU_NUMBER_BITS) - 1));
        put(node, place >> vvar::CPU_NUMBER_BITS);
    }
    0
}

/// Nothing here panics; the linker finds no way here and leaves this out.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
