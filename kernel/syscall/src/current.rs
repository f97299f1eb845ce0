//! What system calls need to know of the task that makes them.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{
    Caller, Credentials, Fd, File, FileOperations, FileTable, FsContext, OpenFlags, Path, Start,
};
use process::{Process, Thread};
use sched::TaskRef;
use vm::Mm;

/// `AT_FDCWD`: relative paths start at the working directory.
pub const AT_FDCWD: i32 = -100;

/// The process that the task belongs to.
pub fn process() -> Arc<Process> {
    Thread::of(&sched::current()).process().clone()
}

/// Its number as it sees it itself.
pub fn tid() -> u32 {
    process::tid()
}

/// Its open files.
///
/// # Errors
/// EBADF: it has none any more.
pub fn files() -> Result<Arc<FileTable>> {
    Thread::of(&sched::current()).files().ok_or(Errno::EBADF)
}

/// An open file, also one that only names a place.
///
/// # Errors
/// EBADF.
pub fn file_or_place(fd: i32) -> Result<Arc<File>> {
    Thread::of(&sched::current()).file(fd as Fd)
}

/// An open file that can be used as one.
///
/// # Errors
/// EBADF.
pub fn file(fd: i32) -> Result<Arc<File>> {
    file_or_place(fd)
        .and_then(|file| if file.is_place_only() { Err(Errno::EBADF) } else { Ok(file) })
}

/// Gives a file the lowest free descriptor.
///
/// # Errors
/// EMFILE, ENOMEM.
pub fn install(file: Arc<File>, flags: OpenFlags) -> Result<usize> {
    let limit = crate::poll::descriptor_limit();
    let fd = files()?.add(file, flags.contains(OpenFlags::CLOEXEC), limit)?;
    Ok(fd as usize)
}

/// Opens something that has no name, shown as `anon_inode:[kind]`, and gives it a descriptor.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM.
pub fn install_anonymous(
    kind: &str,
    operations: Arc<dyn FileOperations>,
    flags: OpenFlags,
) -> Result<usize> {
    ::memory::require_free()?;
    let file = fs::anonymous::open(kind, operations, flags, &credentials())?;
    install(file, flags)
}

/// Who it is.
pub fn credentials() -> Arc<Credentials> {
    Thread::of(&sched::current()).credentials()
}

/// Its root, working directory and umask.
///
/// # Errors
/// ENOENT: it has none any more.
pub fn fs_context() -> Result<Arc<FsContext>> {
    Thread::of(&sched::current()).fs().ok_or(Errno::ENOENT)
}

/// Runs `body` with the task as the one who asks for files by name.
///
/// # Errors
/// Those of `body`.
pub fn as_caller<T>(body: impl FnOnce(&Caller<'_>) -> Result<T>) -> Result<T> {
    let (fs, credentials) = Thread::of(&sched::current()).fs_and_credentials();
    let fs = fs.ok_or(Errno::ENOENT)?;
    body(&Caller { fs: &fs, credentials: &credentials })
}

/// Where a path starts that comes with a descriptor. The descriptor of an absolute path is not
/// looked at.
///
/// # Errors
/// EBADF.
pub fn start(directory: i32, path: &[u8]) -> Result<Start> {
    if directory == AT_FDCWD || path.first() == Some(&b'/') {
        return Ok(Start::Cwd);
    }
    Ok(Start::At(place(directory)?))
}

/// What a descriptor has open, by name.
///
/// # Errors
/// EBADF.
pub fn place(fd: i32) -> Result<Path> {
    Ok(file_or_place(fd)?.path().clone())
}

/// Its user memory.
///
/// # Errors
/// EFAULT: it has none.
pub fn mm() -> Result<Arc<Mm>> {
    Thread::of(&sched::current()).mm().ok_or(Errno::EFAULT)
}

/// The task with a number; 0 is the running one.
///
/// # Errors
/// EINVAL: negative. ESRCH.
pub fn find_task(pid: i32) -> Result<TaskRef> {
    match u32::try_from(pid) {
        Err(_) => Err(Errno::EINVAL),
        Ok(0) => Ok(sched::current_ref()),
        Ok(pid) => process::find_task(pid).ok_or(Errno::ESRCH),
    }
}
