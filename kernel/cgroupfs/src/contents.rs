//! What each file shows, and what writing to it does. The group is there when these are called; it
//! may be removed meanwhile.

use alloc::sync::Arc;
use core::fmt::Write;

use cgroup::{Cgroup, Limit};
use errno::{Errno, Result};
use fs::Credentials;
use kernfs::{Text, parse_integer};
use process::Thread;
use sched::TaskRef;

/// `cgroup.type`: there are no threaded groups.
pub(crate) fn kind(_group: &Cgroup, text: &mut Text) -> Result<()> {
    text.push(b"domain\n")
}

/// Only `threaded` can be written, and no group can become that.
pub(crate) fn set_kind(_group: &Arc<Cgroup>, _who: &Credentials, bytes: &[u8]) -> Result<()> {
    Err(if bytes.trim_ascii() == b"threaded" { Errno::EOPNOTSUPP } else { Errno::EINVAL })
}

/// `cgroup.procs`: the processes by the reader's numbers, 0 for one that it has no number for.
pub(crate) fn processes(group: &Cgroup, text: &mut Text) -> Result<()> {
    let namespace = process::current_pid_namespace();
    for process in process::processes_of(group)? {
        writeln!(text, "{}", process.pid().number_in(&namespace))?;
    }
    Ok(())
}

/// `cgroup.threads`: the threads of these processes that have not ended.
pub(crate) fn threads(group: &Cgroup, text: &mut Text) -> Result<()> {
    let namespace = process::current_pid_namespace();
    for process in process::processes_of(group)? {
        for task in process.threads() {
            let thread = Thread::of(&task);
            if thread.exit_state() == process::ExitState::Alive {
                writeln!(text, "{}", thread.number_in(&namespace))?;
            }
        }
    }
    Ok(())
}

/// The task that a number stands for; 0 for the writer.
fn task_of(bytes: &[u8]) -> Result<TaskRef> {
    let number = u32::try_from(parse_integer(bytes)?).map_err(|_| Errno::EINVAL)?;
    match number {
        0 => Ok(sched::current_ref()),
        1..=0x7fff_ffff => process::find_task(number).ok_or(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

/// Moves a process with all its threads.
pub(crate) fn move_process(group: &Arc<Cgroup>, who: &Credentials, bytes: &[u8]) -> Result<()> {
    let task = task_of(bytes)?;
    process::check_cgroup_move(&task)?;
    let from = process::cgroup_of(process::process_of(&task));
    cgroup::check_attach(&from, group, who)?;
    process::move_to_cgroup(&task, group)
}

/// A thread is where its process is.
pub(crate) fn move_thread(group: &Arc<Cgroup>, who: &Credentials, bytes: &[u8]) -> Result<()> {
    let task = task_of(bytes)?;
    process::check_cgroup_move(&task)?;
    let from = process::cgroup_of(process::process_of(&task));
    cgroup::check_attach(&from, group, who)?;
    if Arc::ptr_eq(&from, group) { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

/// `cgroup.controllers`, `cgroup.subtree_control`: none.
pub(crate) fn controllers(_group: &Cgroup, _text: &mut Text) -> Result<()> {
    Ok(())
}

/// A list of `+NAME` and `-NAME`, of which none is known.
pub(crate) fn enable_controllers(
    _group: &Arc<Cgroup>,
    _who: &Credentials,
    bytes: &[u8],
) -> Result<()> {
    if bytes.trim_ascii().is_empty() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `cgroup.events`
pub(crate) fn events(group: &Cgroup, text: &mut Text) -> Result<()> {
    writeln!(text, "populated {}\nfrozen 0", u8::from(group.is_populated()))?;
    Ok(())
}

fn show_limit(limit: Limit, text: &mut Text) -> Result<()> {
    match limit {
        Limit::Of(limit) => writeln!(text, "{limit}")?,
        Limit::None => writeln!(text, "max")?,
    }
    Ok(())
}

fn parse_limit(bytes: &[u8]) -> Result<Limit> {
    if bytes.trim_ascii() == b"max" {
        return Ok(Limit::None);
    }
    match i32::try_from(parse_integer(bytes)?) {
        Ok(limit @ 0..) => Ok(Limit::Of(limit.unsigned_abs())),
        _ => Err(Errno::ERANGE),
    }
}

/// `cgroup.max.descendants`
pub(crate) fn max_descendants(group: &Cgroup, text: &mut Text) -> Result<()> {
    show_limit(group.limits().1, text)
}

/// Limits what is made from now on.
pub(crate) fn set_max_descendants(
    group: &Arc<Cgroup>,
    _who: &Credentials,
    bytes: &[u8],
) -> Result<()> {
    group.set_max_descendants(parse_limit(bytes)?);
    Ok(())
}

/// `cgroup.max.depth`
pub(crate) fn max_depth(group: &Cgroup, text: &mut Text) -> Result<()> {
    show_limit(group.limits().0, text)
}

/// Limits what is made from now on.
pub(crate) fn set_max_depth(group: &Arc<Cgroup>, _who: &Credentials, bytes: &[u8]) -> Result<()> {
    group.set_max_depth(parse_limit(bytes)?);
    Ok(())
}

/// `cgroup.stat`
pub(crate) fn statistics(group: &Cgroup, text: &mut Text) -> Result<()> {
    let cgroup::Statistics { descendants, dying_descendants } = group.statistics();
    writeln!(text, "nr_descendants {descendants}\nnr_dying_descendants {dying_descendants}")?;
    Ok(())
}

/// `cgroup.kill`: 1 and nothing else.
pub(crate) fn kill(group: &Arc<Cgroup>, _who: &Credentials, bytes: &[u8]) -> Result<()> {
    if parse_integer(bytes)? != 1 {
        return Err(Errno::ERANGE);
    }
    process::kill_cgroup(group);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        assert_eq!(parse_limit(b"max\n"), Ok(Limit::None));
        assert_eq!(parse_limit(b"0\n"), Ok(Limit::Of(0)));
        assert_eq!(parse_limit(b"2147483647"), Ok(Limit::Of(2_147_483_647)));
        assert_eq!(parse_limit(b"2147483648"), Err(Errno::ERANGE));
        assert_eq!(parse_limit(b"-1"), Err(Errno::ERANGE));
        assert_eq!(parse_limit(b"many"), Err(Errno::EINVAL));
    }
}
