//! How a process is scheduled.

use crate::error::{self, Result};
use crate::sys::{self, number};

/// Sets policy and real-time priority of a process; 0 is the caller.
pub fn set_policy(pid: i32, policy: i32, priority: i32) -> Result<()> {
    let parameters = [priority];
    let arguments = [pid as usize, policy as usize, parameters.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads one integer at the pointer.
    error::check(unsafe { sys::call(number::SCHED_SETSCHEDULER, arguments) }).map(drop)
}

/// The policy of a process and its real-time priority; 0 is the caller.
pub fn policy(pid: i32) -> Result<(i32, i32)> {
    let mut parameters = [0i32];
    let arguments = [pid as usize, parameters.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one integer at the pointer.
    error::check(unsafe { sys::call(number::SCHED_GETPARAM, arguments) })?;
    // SAFETY: the call touches no memory of this process.
    let policy = error::check(unsafe {
        sys::call(number::SCHED_GETSCHEDULER, [pid as usize, 0, 0, 0, 0, 0])
    })?;
    Ok((policy as i32, parameters[0]))
}

/// Sets the nice value of the caller.
pub fn set_nice(nice: i32) -> Result<()> {
    // SAFETY: the call touches no memory of this process.
    error::check(unsafe { sys::call(number::SETPRIORITY, [0, 0, nice as usize, 0, 0, 0]) })
        .map(drop)
}

/// Lets the caller run on one CPU only.
pub fn run_on(cpu: usize) -> Result<()> {
    run_on_any_of(1 << cpu)
}

/// Lets the caller run everywhere.
pub fn run_on_all() -> Result<()> {
    run_on_any_of(u64::MAX)
}

fn run_on_any_of(cpus: u64) -> Result<()> {
    let mask = [cpus];
    let arguments = [0, size_of_val(&mask), mask.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads the mask.
    error::check(unsafe { sys::call(number::SCHED_SETAFFINITY, arguments) }).map(drop)
}
