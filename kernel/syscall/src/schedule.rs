//! How tasks are scheduled.

use errno::{Errno, Result};
use fs::Capabilities;
use process::{Resource, Thread};
use sched::{Attributes, CpuMask, DeadlineParameters, Policy, Task, TaskFlags, TaskRef};
use zerocopy::{FromBytes, IntoBytes};

use crate::abi::process::SchedAttr;
use crate::abi::time::Timespec;
use crate::current;
use crate::user::UserPtr;

/// A bit in the policy: children start with default attributes.
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
const SCHED_FLAG_RESET_ON_FORK: u64 = 1;
/// SIGXCPU when a deadline task has used up its runtime. SCHED_FLAG_RECLAIM, 2, is not there.
const SCHED_FLAG_DL_OVERRUN: u64 = 4;

/// `sched_yield`.
pub(crate) fn sched_yield() -> Result<usize> {
    sched::yield_now();
    Ok(0)
}

/// Whether the caller may change how `task` is scheduled to begin with.
fn require_same_user(task: &Task) -> Result<()> {
    let mine = current::credentials();
    let theirs = Thread::of(task).credentials();
    if mine.euid == theirs.euid || mine.euid == theirs.uid {
        return Ok(());
    }
    mine.require(Capabilities::SYS_NICE)
}

/// Changes a task's attributes as far as the caller may.
fn change(task: &TaskRef, new: Attributes) -> Result<()> {
    new.validate()?;
    require_same_user(task)?;
    let old = task.attributes();
    if !current::credentials().capable(Capabilities::SYS_NICE) {
        let process = Thread::of(task).process();
        let more_nice = new.nice < old.nice
            && i64::from(20 - i16::from(new.nice)) > process.limit(Resource::Nice).soft as i64;
        let limit = process.limit(Resource::RealTimePriority).soft;
        let more_real_time = new.policy.is_real_time()
            && (new.policy != old.policy || new.priority > old.priority)
            && u64::from(new.priority) > limit;
        let forgets_reset = old.reset_on_fork && !new.reset_on_fork;
        if more_nice || more_real_time || forgets_reset {
            return Err(Errno::EPERM);
        }
    }
    // A stopper stays what it is; its nice value says nothing, and may be anything.
    if old.policy == Policy::Stop && (Attributes { nice: new.nice, ..old }) != new {
        return Err(Errno::EPERM);
    }
    sched::set_attributes(task, new)
}

/// Makes a task one of the deadline class, or changes its parameters.
fn change_to_deadline(
    task: &TaskRef,
    parameters: DeadlineParameters,
    reset_on_fork: bool,
) -> Result<()> {
    let parameters = parameters.checked()?;
    current::credentials().require(Capabilities::SYS_NICE)?;
    if task.attributes().policy == Policy::Stop {
        return Err(Errno::EPERM);
    }
    sched::set_deadline(task, parameters, reset_on_fork)
}

/// A policy that takes nothing but a priority.
fn policy_without_parameters(number: u32) -> Result<Policy> {
    let policy = Policy::from_number(number).ok_or(Errno::EINVAL)?;
    if policy == Policy::Deadline { Err(Errno::EINVAL) } else { Ok(policy) }
}

fn attributes_of(task: &Task, policy: i32, priority: i32) -> Result<Attributes> {
    let policy = u32::try_from(policy).map_err(|_| Errno::EINVAL)?;
    let priority = u8::try_from(priority).map_err(|_| Errno::EINVAL)?;
    Ok(Attributes {
        policy: policy_without_parameters(policy & !SCHED_RESET_ON_FORK)?,
        nice: task.attributes().nice,
        priority,
        reset_on_fork: policy & SCHED_RESET_ON_FORK != 0,
    })
}

/// `sched_setscheduler`.
pub(crate) fn sched_setscheduler(pid: i32, policy: i32, parameter: UserPtr<i32>) -> Result<usize> {
    let priority = parameter_of(parameter)?;
    let task = current::find_task(pid)?;
    change(&task, attributes_of(&task, policy, priority)?)?;
    Ok(0)
}

/// A null pointer is refused as such.
fn parameter_of(parameter: UserPtr<i32>) -> Result<i32> {
    parameter.non_null().ok_or(Errno::EINVAL)?.read()
}

/// `sched_setparam`.
pub(crate) fn sched_setparam(pid: i32, parameter: UserPtr<i32>) -> Result<usize> {
    let priority = u8::try_from(parameter_of(parameter)?).map_err(|_| Errno::EINVAL)?;
    let task = current::find_task(pid)?;
    let old = task.attributes();
    policy_without_parameters(old.policy.number())?;
    change(&task, Attributes { priority, ..old })?;
    Ok(0)
}

/// `sched_getparam`.
pub(crate) fn sched_getparam(pid: i32, parameter: UserPtr<i32>) -> Result<usize> {
    if parameter.is_null() {
        return Err(Errno::EINVAL);
    }
    let priority = current::find_task(pid)?.attributes().priority;
    parameter.write(&i32::from(priority))?;
    Ok(0)
}

/// `sched_getscheduler`.
pub(crate) fn sched_getscheduler(pid: i32) -> Result<usize> {
    let attributes = current::find_task(pid)?.attributes();
    let reset = if attributes.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 };
    Ok((attributes.policy.number() | reset) as usize)
}

fn priorities(policy: i32) -> Result<(usize, usize)> {
    let policy = u32::try_from(policy).ok().and_then(Policy::from_number);
    Ok(if policy.ok_or(Errno::EINVAL)?.is_real_time() { (1, 99) } else { (0, 0) })
}

/// `sched_get_priority_max`.
pub(crate) fn sched_get_priority_max(policy: i32) -> Result<usize> {
    Ok(priorities(policy)?.1)
}

/// `sched_get_priority_min`.
pub(crate) fn sched_get_priority_min(policy: i32) -> Result<usize> {
    Ok(priorities(policy)?.0)
}

/// `sched_rr_get_interval`.
pub(crate) fn sched_rr_get_interval(pid: i32, result: UserPtr<Timespec>) -> Result<usize> {
    let task = current::find_task(pid)?;
    result.write(&Timespec::from_nanoseconds(task.attributes().policy.time_slice()))?;
    Ok(0)
}

/// The longest mask that is read: what is beyond names no CPU.
const MASK_MAX: usize = size_of::<u64>();

/// `sched_setaffinity`.
pub(crate) fn sched_setaffinity(pid: i32, size: usize, mask: UserPtr<u8>) -> Result<usize> {
    let mut bytes = [0; MASK_MAX];
    mask.read_bytes(&mut bytes[..size.min(MASK_MAX)])?;
    let task = current::find_task(pid)?;
    if task.flags().contains(TaskFlags::NO_SETAFFINITY) {
        return Err(Errno::EINVAL);
    }
    require_same_user(&task)?;
    sched::set_allowed_from_user(&task, CpuMask::from_bits(u64::from_le_bytes(bytes)))?;
    Ok(0)
}

/// `sched_getaffinity`: how many bytes were written.
pub(crate) fn sched_getaffinity(pid: i32, size: usize, mask: UserPtr<u8>) -> Result<usize> {
    if size < MASK_MAX || !size.is_multiple_of(size_of::<usize>()) {
        return Err(Errno::EINVAL);
    }
    let allowed = current::find_task(pid)?.allowed().and(sched::active());
    mask.write_bytes(&allowed.bits().to_le_bytes())?;
    Ok(MASK_MAX)
}

/// `sched_setattr`.
pub(crate) fn sched_setattr(pid: i32, attributes: UserPtr<SchedAttr>, flags: u32) -> Result<usize> {
    if pid < 0 || flags != 0 || attributes.is_null() {
        return Err(Errno::EINVAL);
    }
    let given = read_attributes(attributes)?;
    if given.flags & !(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_DL_OVERRUN) != 0 {
        return Err(Errno::EINVAL);
    }
    let task = current::find_task(pid)?;
    let policy = Policy::from_number(given.policy).ok_or(Errno::EINVAL)?;
    let reset_on_fork = given.flags & SCHED_FLAG_RESET_ON_FORK != 0;
    if policy == Policy::Deadline {
        if given.priority != 0 {
            return Err(Errno::EINVAL);
        }
        let parameters = DeadlineParameters {
            runtime: given.runtime,
            deadline: given.deadline,
            period: given.period,
            signals_overrun: given.flags & SCHED_FLAG_DL_OVERRUN != 0,
        };
        change_to_deadline(&task, parameters, reset_on_fork)?;
        return Ok(0);
    }
    let nice = if policy.is_real_time() {
        task.attributes().nice
    } else {
        given.nice.clamp(-20, 19) as i8
    };
    change(
        &task,
        Attributes {
            policy,
            nice,
            priority: u8::try_from(given.priority).map_err(|_| Errno::EINVAL)?,
            reset_on_fork,
        },
    )?;
    Ok(0)
}

/// Reads a `struct sched_attr` of any version. Of one that cannot be had the caller gets the size that is known here, in its place.
fn read_attributes(attributes: UserPtr<SchedAttr>) -> Result<SchedAttr> {
    let mut bytes = [0; size_of::<SchedAttr>()];
    let size_field = UserPtr::<u32>::new(attributes.address());
    let size = match size_field.read()? as usize {
        0 => SchedAttr::SIZE_0,
        size => size,
    };
    let outcome = if size < SchedAttr::SIZE_0 {
        Err(Errno::E2BIG)
    } else {
        UserPtr::<u8>::new(attributes.address()).read_structure(&mut bytes, size, Errno::E2BIG)
    };
    if outcome == Err(Errno::E2BIG) {
        size_field.write(&(bytes.len() as u32))?;
    }
    outcome?;
    SchedAttr::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)
}

/// `sched_getattr`.
pub(crate) fn sched_getattr(pid: i32, result: UserPtr<u8>, size: u32, flags: u32) -> Result<usize> {
    let size = size as usize;
    if pid < 0 || flags != 0 || !(SchedAttr::SIZE_0..=machine::PAGE_SIZE).contains(&size) {
        return Err(Errno::EINVAL);
    }
    let task = current::find_task(pid)?;
    let (attributes, parameters) = task.attributes_and_parameters();
    let known = size.min(size_of::<SchedAttr>());
    let mut answer = SchedAttr {
        size: known as u32,
        policy: attributes.policy.number(),
        flags: if attributes.reset_on_fork { SCHED_FLAG_RESET_ON_FORK } else { 0 },
        nice: i32::from(attributes.nice),
        priority: u32::from(attributes.priority),
        ..Default::default()
    };
    if let Some(parameters) = parameters {
        answer.nice = 0;
        answer.runtime = parameters.runtime;
        answer.deadline = parameters.deadline;
        answer.period = parameters.period;
        if parameters.signals_overrun {
            answer.flags |= SCHED_FLAG_DL_OVERRUN;
        }
    }
    result.write_bytes(&answer.as_bytes()[..known])?;
    Ok(0)
}

/// The tasks that `getpriority` and `setpriority` mean.
fn each_meant(which: u32, who: i32, mut action: impl FnMut(&TaskRef)) -> Result<()> {
    const PRIO_PROCESS: u32 = 0;
    const PRIO_PGRP: u32 = 1;
    const PRIO_USER: u32 = 2;
    match which {
        PRIO_PROCESS => {
            if let Ok(task) = current::find_task(who) {
                action(&task);
            }
        }
        PRIO_PGRP => {
            let group = u32::try_from(who).map_err(|_| Errno::ESRCH)?;
            for process in process::group_members(group) {
                process.threads().iter().for_each(&mut action);
            }
        }
        PRIO_USER => {
            let uid = if who == 0 { current::credentials().uid } else { who as u32 };
            for process in process::processes() {
                for task in process.threads() {
                    if Thread::of(&task).credentials().uid == uid {
                        action(&task);
                    }
                }
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// `getpriority`: 20 minus the nice value, so that it is never negative.
pub(crate) fn getpriority(which: u32, who: i32) -> Result<usize> {
    let mut best: Option<i8> = None;
    each_meant(which, who, |task| {
        let nice = task.attributes().nice;
        best = Some(best.map_or(nice, |best| best.min(nice)));
    })?;
    let nice = best.ok_or(Errno::ESRCH)?;
    Ok((20 - isize::from(nice)) as usize)
}

/// `setpriority`.
pub(crate) fn setpriority(which: u32, who: i32, nice: i32) -> Result<usize> {
    let nice = nice.clamp(-20, 19) as i8;
    let mut outcome = Err(Errno::ESRCH);
    each_meant(which, who, |task| {
        let changed = change(task, Attributes { nice, ..task.attributes() });
        // One that could not be changed is told of, whatever became of the others.
        match (changed, outcome) {
            (Ok(()), Err(Errno::ESRCH)) => outcome = Ok(0),
            (Err(Errno::EPERM), _) if nice < task.attributes().nice => {
                outcome = Err(Errno::EACCES);
            }
            (Err(error), _) => outcome = Err(error),
            _ => {}
        }
    })?;
    outcome
}

/// `getcpu`.
pub(crate) fn getcpu(cpu: UserPtr<u32>, node: UserPtr<u32>) -> Result<usize> {
    // True when it is read; the task may have moved when it is used.
    let here = sched::current().cpu();
    cpu.write_unless_null(&(here as u32))?;
    node.write_unless_null(&(machine::cpu::node(here) as u32))?;
    Ok(0)
}
