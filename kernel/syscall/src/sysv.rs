//! What the calls for System V's objects share.

use alloc::sync::Arc;

use errno::{Errno, Result};
use ipc::permissions::{Create, NewOwner, Permissions};
use ipc::registry::PLACES;
use process::Pid;

use crate::abi::ipc::IpcPermissions;

const IPC_CREAT: u32 = 0o1000;
const IPC_EXCL: u32 = 0o2000;
/// Fail where one would have to wait.
pub(crate) const IPC_NOWAIT: u32 = 0o4000;

/// Commands; old programs set a bit that means nothing any more.
pub(crate) const IPC_64: i32 = 0x100;
/// Remove it.
pub(crate) const IPC_RMID: i32 = 0;
/// Change it.
pub(crate) const IPC_SET: i32 = 1;
/// Show it.
pub(crate) const IPC_STAT: i32 = 2;
/// Show the limits.
pub(crate) const IPC_INFO: i32 = 3;

/// What one wants with an object to read it.
pub(crate) const READ: u32 = 4;

/// How an object is to be got.
pub(crate) fn create(flags: u32) -> Create {
    Create { make: flags & IPC_CREAT != 0, exclusive: flags & IPC_EXCL != 0, mode: flags & 0o777 }
}

/// Whose an object is, as programs see it.
pub(crate) fn shown(number: i32, key: i32, permissions: &Permissions) -> IpcPermissions {
    IpcPermissions {
        key,
        uid: permissions.uid,
        gid: permissions.gid,
        creator_uid: permissions.creator_uid,
        creator_gid: permissions.creator_gid,
        mode: permissions.mode,
        sequence: (number as usize / PLACES) as u16,
        ..Default::default()
    }
}

/// Whose it is to be.
///
/// # Errors
/// EINVAL: nobody.
pub(crate) fn new_owner(given: &IpcPermissions) -> Result<NewOwner> {
    let IpcPermissions { uid, gid, mode, .. } = *given;
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::EINVAL);
    }
    Ok(NewOwner { uid, gid, mode })
}

/// A date in seconds.
pub(crate) fn seconds(date: u64) -> i64 {
    (date / time::SECOND) as i64
}

/// A process's number as the caller sees it; 0: nobody, or nobody that it sees.
pub(crate) fn number_of(pid: Option<&Arc<Pid>>) -> u32 {
    pid.map_or(0, |pid| pid.number_in(&process::current_pid_namespace()))
}
