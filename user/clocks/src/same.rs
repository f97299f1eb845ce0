//! One thread: the vDSO says what the system call says.

use runtime::vdso::{Time, Vdso};
use runtime::{clock, sched};

use crate::Outcome;

/// `CLOCK_REALTIME`, `_MONOTONIC`, `_MONOTONIC_RAW`, `_REALTIME_COARSE`, `_MONOTONIC_COARSE`, `_BOOTTIME`, `_TAI`.
pub(crate) const CLOCKS: [i32; 7] = [0, 1, 4, 5, 6, 7, 11];

/// In one number.
pub(crate) fn nanoseconds([seconds, rest]: Time) -> i64 {
    seconds * 1_000_000_000 + rest
}

pub(crate) fn resolutions_and_errors(vdso: Vdso) -> Outcome {
    for number in -9..20 {
        if vdso.clock_getres(number).map_err(clock::error_of) != clock::getres(number) {
            return Err("another resolution");
        }
        let errors = (vdso.clock_gettime(number).err(), clock::gettime(number).err());
        if errors.0.map(clock::error_of) != errors.1 {
            return Err("another error");
        }
    }
    Ok(())
}

/// A reading of the vDSO's lies between two of the system call's, and the other way round.
pub(crate) fn between_two_calls(vdso: Vdso) -> Outcome {
    let by_vdso = |number| vdso.clock_gettime(number).map(nanoseconds).unwrap_or(-1);
    let by_call = |number| clock::gettime(number).map(nanoseconds).unwrap_or(-1);
    for number in CLOCKS {
        for _ in 0..200 {
            let times = [by_call(number), by_vdso(number), by_vdso(number), by_call(number)];
            if !times.is_sorted() || times[0] < 0 {
                return Err("a clock goes back");
            }
            if times[3] - times[0] > 100_000_000_000 {
                return Err("a clock is far from itself");
            }
        }
    }
    for _ in 0..200 {
        let before = clock::gettimeofday();
        let Ok((between, [0, 0])) = vdso.gettimeofday() else { return Err("no time of day") };
        let seconds = vdso.time();
        let after = clock::time();
        if before.is_ok_and(|before| before > between)
            || seconds.is_ok_and(|seconds| seconds < between[0])
            || after != Ok(after.unwrap_or(0).max(seconds.unwrap_or(i64::MAX)))
        {
            return Err("the time of day goes back");
        }
    }
    Ok(())
}

pub(crate) fn getcpu(vdso: Vdso, cpus: usize) -> Outcome {
    for _ in 0..20 {
        for cpu in 0..cpus {
            sched::run_on(cpu).map_err(|_| "cannot choose a CPU")?;
            let Ok((here, node)) = vdso.getcpu() else { return Err("fails") };
            if here as usize != cpu || clock::getcpu() != Ok((here, node)) {
                return Err("another CPU");
            }
        }
    }
    Ok(())
}
