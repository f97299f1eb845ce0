//! Limits and what was used.

use errno::{Errno, Result};
use fs::Capabilities;
use process::{INFINITY, Limit, Resource, Thread, Usage};

use crate::abi;
use crate::abi::process::Rlimit;
use crate::abi::time::{Timeval, Tms};
use crate::current;
use crate::user::UserPtr;

fn resource_of(number: u32) -> Result<Resource> {
    Resource::from_number(number).ok_or(Errno::EINVAL)
}

/// `getrlimit`.
pub(crate) fn getrlimit(resource: u32, result: UserPtr<Rlimit>) -> Result<usize> {
    prlimit64(0, resource, UserPtr::new(0), result)
}

/// `setrlimit`.
pub(crate) fn setrlimit(resource: u32, new: UserPtr<Rlimit>) -> Result<usize> {
    let new = new.read()?;
    let resource = resource_of(resource)?;
    set_limit(&current::process(), resource, new)?;
    Ok(0)
}

/// `prlimit64`.
pub(crate) fn prlimit64(
    pid: i32,
    resource: u32,
    new: UserPtr<Rlimit>,
    old: UserPtr<Rlimit>,
) -> Result<usize> {
    let resource = resource_of(resource)?;
    let new = new.non_null().map(UserPtr::read).transpose()?;
    let task = current::find_task(pid)?;
    let process = Thread::of(&task).process();
    require_same_user(&task)?;
    let before = process.limit(resource);
    if let Some(new) = new {
        set_limit(process, resource, new)?;
    }
    old.write_unless_null(&Rlimit { current: before.soft, maximum: before.hard })?;
    Ok(0)
}

/// Whether the caller may see and change another process's limits.
fn require_same_user(task: &sched::Task) -> Result<()> {
    let (mine, theirs) = (current::credentials(), Thread::of(task).credentials());
    let same = [theirs.uid, theirs.euid, theirs.suid].iter().all(|&uid| uid == mine.uid)
        && [theirs.gid, theirs.egid, theirs.sgid].iter().all(|&gid| gid == mine.gid);
    if same { Ok(()) } else { mine.require(Capabilities::SYS_RESOURCE) }
}

fn set_limit(process: &process::Process, resource: Resource, new: Rlimit) -> Result<()> {
    if new.current > new.maximum {
        return Err(Errno::EINVAL);
    }
    if resource == Resource::Files && new.maximum != INFINITY && new.maximum > fs::NR_OPEN as u64 {
        return Err(Errno::EPERM);
    }
    if new.maximum > process.limit(resource).hard {
        current::credentials().require(Capabilities::SYS_RESOURCE)?;
    }
    process.set_limit(resource, Limit { soft: new.current, hard: new.maximum });
    Ok(())
}

/// As `getrusage` and `wait4` show it.
pub(crate) fn rusage(usage: &Usage) -> abi::process::Rusage {
    abi::process::Rusage {
        user: Timeval::from_nanoseconds(usage.user),
        system: Timeval::from_nanoseconds(usage.system),
        switches: [usage.voluntary as i64, usage.involuntary as i64],
        ..Default::default()
    }
}

/// `getrusage`.
pub(crate) fn getrusage(who: i32, result: UserPtr<abi::process::Rusage>) -> Result<usize> {
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_THREAD: i32 = 1;
    let process = current::process();
    let usage = match who {
        RUSAGE_SELF => process.usage(),
        RUSAGE_CHILDREN => process.children_usage(),
        RUSAGE_THREAD => Usage::of_task(&sched::current()),
        _ => return Err(Errno::EINVAL),
    };
    let mut answer = rusage(&usage);
    if who != RUSAGE_CHILDREN
        && let Ok(mm) = current::mm()
    {
        answer.max_resident = (mm.statistics().peak_resident * machine::PAGE_SIZE / 1024) as i64;
    }
    result.write(&answer)?;
    Ok(0)
}

/// `times`: clock ticks since some time in the past.
pub(crate) fn times(result: UserPtr<Tms>) -> Result<usize> {
    const TICK: u64 = time::SECOND / 100;
    let ticks = |time: u64| (time / TICK) as i64;
    if let Some(result) = result.non_null() {
        let process = current::process();
        let (own, children) = (process.usage(), process.children_usage());
        result.write(&Tms {
            user: ticks(own.user),
            system: ticks(own.system),
            children_user: ticks(children.user),
            children_system: ticks(children.system),
        })?;
    }
    Ok((time::monotonic() / TICK) as usize)
}
