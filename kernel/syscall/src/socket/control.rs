//! Control messages: what goes with a message besides its bytes (`SCM_*`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use ::socket::{Ancillary, FILES_MAX, Identity};
use errno::{Errno, Result};
use fs::{Capabilities, File, OpenFlags};
use zerocopy::{FromBytes, IntoBytes};

use crate::abi::socket::{ControlHeader, MessageHeader, UserCredentials};
use crate::current;
use crate::user::UserPtr;

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const SCM_CREDENTIALS: i32 = 2;
/// Some control messages did not fit.
pub(super) const MSG_CTRUNC: u32 = 0x8;

/// Bytes of a header.
const HEADER: usize = size_of::<ControlHeader>();
/// More than this nobody needs (`net.core.optmem_max`).
const CONTROL_MAX: usize = 20480;

/// How an identity looks from the running task's PID namespace.
pub(super) fn shown(identity: &Identity) -> UserCredentials {
    let namespace = process::current_pid_namespace();
    let pid = identity.pid.as_ref().map_or(0, |pid| pid.number_in(&namespace));
    UserCredentials { pid: pid as i32, uid: identity.uid, gid: identity.gid }
}

/// Reads what a program sends along.
///
/// # Errors
/// EINVAL: malformed, or unknown. EPERM: credentials that are not its own. EBADF, EFAULT, ENOBUFS.
pub(super) fn read(header: &MessageHeader) -> Result<Ancillary> {
    let mut ancillary = Ancillary::default();
    if header.control == 0 || header.control_length == 0 {
        return Ok(ancillary);
    }
    if header.control_length > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(header.control_length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(header.control_length, 0);
    UserPtr::<u8>::new(header.control).read_bytes(&mut bytes)?;
    let mut rest = &bytes[..];
    while rest.len() >= HEADER {
        let (control, _) = ControlHeader::read_from_prefix(rest).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(HEADER..control.length).ok_or(Errno::EINVAL)?;
        if control.level == SOL_SOCKET {
            match control.kind {
                SCM_RIGHTS => take_files(data, &mut ancillary.files)?,
                SCM_CREDENTIALS => ancillary.sender = Some(check_credentials(data)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        rest = rest.get(control.length.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(ancillary)
}

fn take_files(data: &[u8], files: &mut Vec<Arc<File>>) -> Result<()> {
    for number in data.chunks_exact(size_of::<i32>()) {
        if files.len() == FILES_MAX {
            return Err(Errno::EINVAL);
        }
        let fd = i32::read_from_bytes(number).map_err(|_| Errno::EINVAL)?;
        files.push(current::file_or_place(fd)?);
    }
    Ok(())
}

/// Whoever says who they are must be one of those that they are, or be allowed to say anything.
fn check_credentials(data: &[u8]) -> Result<Identity> {
    let given = UserCredentials::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let me = current::credentials();
    let is_mine = |id, mine: [u32; 3], capability| mine.contains(&id) || me.capable(capability);
    let own_pid = given.pid as u32 == process::tgid();
    if !(own_pid || me.capable(Capabilities::SYS_ADMIN))
        || !is_mine(given.uid, [me.uid, me.euid, me.suid], Capabilities::SETUID)
        || !is_mine(given.gid, [me.gid, me.egid, me.sgid], Capabilities::SETGID)
    {
        return Err(Errno::EPERM);
    }
    let task = current::find_task(given.pid).map_err(|_| Errno::ESRCH)?;
    let pid = process::Thread::of(&task).process().pid().clone();
    Ok(Identity { pid: Some(pid), uid: given.uid, gid: given.gid })
}

/// Writes control messages into a program's buffer.
pub(super) struct Writer {
    address: usize,
    room: usize,
    written: usize,
    flags: u32,
}

impl Writer {
    /// For the buffer that a message header names.
    pub(super) fn new(header: &MessageHeader) -> Self {
        let room = if header.control == 0 { 0 } else { header.control_length };
        Self { address: header.control, room, written: 0, flags: 0 }
    }

    /// How many bytes were written, and MSG_CTRUNC if some were not.
    pub(super) fn finish(self) -> (usize, u32) {
        (self.written, self.flags)
    }

    fn room_for_data(&self) -> usize {
        (self.room - self.written).saturating_sub(HEADER)
    }

    /// Writes who sent the message.
    pub(super) fn sender(&mut self, credentials: &UserCredentials) -> Result<()> {
        let bytes = credentials.as_bytes();
        let fits = bytes.len().min(self.room_for_data());
        if fits < bytes.len() {
            self.flags |= MSG_CTRUNC;
        }
        if self.room - self.written < HEADER {
            Ok(())
        } else {
            self.put(SCM_CREDENTIALS, &bytes[..fits])
        }
    }

    /// Gives the files descriptors and writes these, as many as there is room for; the rest are closed.
    pub(super) fn files(&mut self, files: Vec<Arc<File>>, flags: OpenFlags) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let fitting = files.len().min(self.room_for_data() / size_of::<i32>());
        let mut numbers: Vec<u8> = Vec::new();
        let mut count = 0;
        for file in files.iter().take(fitting) {
            let Ok(fd) = current::install(file.clone(), flags) else { break };
            numbers.extend_from_slice(&(fd as i32).to_ne_bytes());
            count += 1;
        }
        if count < files.len() {
            self.flags |= MSG_CTRUNC;
        }
        if count == 0 { Ok(()) } else { self.put(SCM_RIGHTS, &numbers) }
    }

    fn put(&mut self, kind: i32, data: &[u8]) -> Result<()> {
        let header = ControlHeader { length: HEADER + data.len(), level: SOL_SOCKET, kind };
        let at = self.address.checked_add(self.written).ok_or(Errno::EFAULT)?;
        UserPtr::new(at).write(&header)?;
        UserPtr::<u8>::new(at).at(HEADER)?.write_bytes(data)?;
        self.written = (self.written + header.length.next_multiple_of(8)).min(self.room);
        Ok(())
    }
}
