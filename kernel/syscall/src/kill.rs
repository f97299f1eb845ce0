//! Sending signals, by number and by pidfd.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Fd, File, FileOperations, FileTable, OpenFlags, PollEvents, PollTable};
use process::signal::info::INFO_SIZE;
use process::{ExitState, Pid, Reservation, SigInfo, Signal, Thread, ptrace};
use zerocopy::IntoBytes;

use crate::abi;
use crate::current;
use crate::user::UserPtr;

/// The signal with a number; 0, which only asks whether it could be sent, is `None`.
pub(crate) fn signal_or_none(number: i32) -> Result<Option<Signal>> {
    match u32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Signal::from_number(number).map(Some).ok_or(Errno::EINVAL),
        Err(_) => Err(Errno::EINVAL),
    }
}

/// `kill`.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<usize> {
    process::kill(pid, signal_or_none(signal)?)?;
    Ok(0)
}

/// `tkill`.
pub(crate) fn tkill(tid: i32, signal: i32) -> Result<usize> {
    let tid = positive(tid)?;
    process::tgkill(None, tid, signal_or_none(signal)?)?;
    Ok(0)
}

/// `tgkill`.
pub(crate) fn tgkill(group: i32, tid: i32, signal: i32) -> Result<usize> {
    let (group, tid) = (positive(group)?, positive(tid)?);
    process::tgkill(Some(group), tid, signal_or_none(signal)?)?;
    Ok(0)
}

/// A number that may be a task's.
pub(crate) fn positive(number: i32) -> Result<u32> {
    u32::try_from(number).ok().filter(|&number| number > 0).ok_or(Errno::EINVAL)
}

/// A process, held by a descriptor: its number may come to mean another one, this never does.
struct PidFd {
    pid: Arc<Pid>,
}

impl FileOperations for PidFd {
    fn is_seekable(&self) -> bool {
        false
    }

    fn poll(&self, _: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.pid.ended_queue());
        if has_ended(&self.pid) { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn is_pollable(&self) -> bool {
        true
    }
}

/// Whether the process with a number has ended: its last thread has, or it has been waited for.
fn has_ended(pid: &Pid) -> bool {
    pid.task().is_none_or(|leader| {
        let thread = Thread::of(&leader);
        thread.exit_state() != ExitState::Alive && thread.process().thread_count() <= 1
    })
}

fn open(pid: &Arc<Pid>, flags: OpenFlags) -> Result<usize> {
    let flags = flags | OpenFlags::RDWR | OpenFlags::CLOEXEC;
    current::install_anonymous("pidfd", Arc::new(PidFd { pid: pid.clone() }), flags)
}

/// The pidfd of a child that is being made: closed again if there will be none.
pub(crate) struct NewPidFd {
    files: Arc<FileTable>,
    fd: Fd,
    /// None: the child is there.
    file: Option<Arc<File>>,
}

/// For `CLONE_PIDFD`: opens the child's, and tells the user which descriptor it is.
///
/// # Errors
/// EFAULT, EMFILE, ENFILE, ENOMEM.
pub(crate) fn install_pidfd(pid: &Arc<Pid>, result: UserPtr<i32>) -> Result<NewPidFd> {
    let files = current::files()?;
    let fd = open(pid, OpenFlags::empty())? as Fd;
    let pidfd = NewPidFd { file: files.get(fd).ok(), files, fd };
    result.write(&(fd as i32))?;
    Ok(pidfd)
}

impl Reservation for NewPidFd {
    fn commit(mut self) {
        self.file = None;
    }
}

impl Drop for NewPidFd {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Another thread may have closed it meanwhile, and opened something else.
            self.files.close_file(self.fd, &file);
        }
    }
}

/// `pidfd_open`.
pub(crate) fn pidfd_open(pid: i32, flags: u32) -> Result<usize> {
    if flags & !OpenFlags::NONBLOCK.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    let task = process::find_task(positive(pid)?).ok_or(Errno::ESRCH)?;
    let thread = Thread::of(&task);
    if !thread.is_leader() {
        return Err(Errno::EINVAL);
    }
    open(thread.process().pid(), OpenFlags::from_bits_truncate(flags))
}

/// The process of a pidfd.
///
/// # Errors
/// EBADF: not a pidfd.
pub(crate) fn pid_of(fd: i32) -> Result<Arc<Pid>> {
    let file = current::file(fd)?;
    let pidfd: &PidFd = file.operations().downcast_ref().ok_or(Errno::EBADF)?;
    Ok(pidfd.pid.clone())
}

/// `pidfd_send_signal`.
pub(crate) fn pidfd_send_signal(
    fd: i32,
    signal: i32,
    info: UserPtr<abi::signal::SigInfo>,
    flags: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let pid = pid_of(fd)?;
    let signal = signal_or_none(signal)?;
    let info = match (signal, info.non_null()) {
        (Some(signal), Some(info)) => Some(user_info(signal, info)?),
        _ => None,
    };
    process::pidfd_send_signal(&pid, signal, info)?;
    Ok(0)
}

/// `pidfd_getfd`: another descriptor for a file that a process has open.
pub(crate) fn pidfd_getfd(pidfd: i32, fd: i32, flags: u32) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let task = pid_of(pidfd)?.task().ok_or(Errno::ESRCH)?;
    let theirs = Thread::of(&task).files().ok_or(Errno::ESRCH)?;
    if !ptrace::may_access(&task, ptrace::Identity::Real) {
        return Err(Errno::EPERM);
    }
    current::install(theirs.get(fd as Fd)?, OpenFlags::CLOEXEC)
}

/// `rt_sigqueueinfo`.
pub(crate) fn sigqueueinfo(
    pid: i32,
    signal: i32,
    info: UserPtr<abi::signal::SigInfo>,
) -> Result<usize> {
    let pid = positive(pid)?;
    match signal_or_none(signal)? {
        Some(signal) => process::sigqueue(pid, user_info(signal, info)?)?,
        None => process::kill(pid as i32, None)?,
    }
    Ok(0)
}

/// `rt_tgsigqueueinfo`.
pub(crate) fn tgsigqueueinfo(
    group: i32,
    tid: i32,
    signal: i32,
    info: UserPtr<abi::signal::SigInfo>,
) -> Result<usize> {
    let (group, tid) = (positive(group)?, positive(tid)?);
    match signal_or_none(signal)? {
        Some(signal) => process::tgsigqueue(group, tid, user_info(signal, info)?)?,
        None => process::tgkill(Some(group), tid, None)?,
    }
    Ok(0)
}

/// What a user wants `signal` to carry.
fn user_info(signal: Signal, info: UserPtr<abi::signal::SigInfo>) -> Result<SigInfo> {
    let given = info.read()?;
    let mut bytes = [0; INFO_SIZE];
    bytes.copy_from_slice(given.as_bytes());
    Ok(SigInfo::from_bytes(signal, &bytes))
}
