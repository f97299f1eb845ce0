//! Waiting for children.

use alloc::sync::Arc;

use errno::{Errno, Result};
use process::{Pid, Signal, WaitFor, WaitOptions, Waited, wait_for_child};
use zerocopy::IntoBytes;

use crate::abi::process::Rusage;
use crate::kill;
use crate::resource::rusage;
use crate::user::UserPtr;

/// The child, or the group, with a number. One that is nobody's is no child either.
fn find(number: u32) -> Result<Arc<Pid>> {
    process::current_pid_namespace().find(number).ok_or(Errno::ECHILD)
}

fn own_group() -> Result<Arc<Pid>> {
    find(process::getpgid(0)?)
}

/// `wait4`.
pub(crate) fn wait4(
    pid: i32,
    status: UserPtr<u32>,
    options: u32,
    usage: UserPtr<Rusage>,
) -> Result<usize> {
    let known = WaitOptions::NOHANG
        | WaitOptions::STOPPED
        | WaitOptions::CONTINUED
        | WaitOptions::NOTHREAD
        | WaitOptions::ALL
        | WaitOptions::CLONE;
    let options = WaitOptions::from_bits(options).filter(|&options| known.contains(options));
    let options = options.ok_or(Errno::EINVAL)? | WaitOptions::EXITED;
    let who = match pid {
        -1 => WaitFor::Any,
        0 => WaitFor::Group(own_group()?),
        i32::MIN => return Err(Errno::ESRCH),
        group if group < 0 => WaitFor::Group(find(group.unsigned_abs())?),
        pid => WaitFor::Process(find(pid.unsigned_abs())?),
    };
    let Some(waited) = wait_for_child(&who, options)? else { return Ok(0) };
    status.write_unless_null(&waited.event.status())?;
    usage.write_unless_null(&rusage(&waited.usage))?;
    Ok(waited.pid as usize)
}

const P_ALL: u32 = 0;
const P_PID: u32 = 1;
const P_PGID: u32 = 2;
const P_PIDFD: u32 = 3;

/// `waitid`.
pub(crate) fn waitid(
    kind: u32,
    id: i32,
    info: UserPtr<u8>,
    options: u32,
    usage: UserPtr<Rusage>,
) -> Result<usize> {
    let events = WaitOptions::EXITED | WaitOptions::STOPPED | WaitOptions::CONTINUED;
    let options = WaitOptions::from_bits(options)
        .filter(|options| options.intersects(events))
        .ok_or(Errno::EINVAL)?;
    let who = match kind {
        P_ALL => WaitFor::Any,
        P_PID => WaitFor::Process(find(kill::positive(id)?)?),
        P_PGID if id == 0 => WaitFor::Group(own_group()?),
        P_PGID => WaitFor::Group(find(kill::positive(id)?)?),
        P_PIDFD => WaitFor::Process(kill::pid_of(id)?),
        _ => return Err(Errno::EINVAL),
    };
    let waited = wait_for_child(&who, options)?;
    if let Some(waited) = &waited {
        usage.write_unless_null(&rusage(&waited.usage))?;
    }
    if !info.is_null() {
        write_info(info, waited.as_ref())?;
    }
    Ok(0)
}

/// Writes the fields of `siginfo_t` that `waitid` is about, and leaves the rest alone, as Linux
/// does.
fn write_info(info: UserPtr<u8>, waited: Option<&Waited>) -> Result<()> {
    let (signal, code, pid, uid, status) = match waited {
        None => (0, 0, 0, 0, 0),
        Some(waited) => {
            let (code, status) = waited.event.code_and_status();
            (Signal::SIGCHLD.number() as i32, code, waited.pid as i32, waited.uid as i32, status)
        }
    };
    let head: [i32; 3] = [signal, 0, code];
    let tail: [i32; 3] = [pid, uid, status];
    info.write_bytes(head.as_bytes())?;
    info.at(16)?.write_bytes(tail.as_bytes())
}
