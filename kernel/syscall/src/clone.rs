//! `fork`, `vfork`, `clone`, `clone3`, `unshare`.

use errno::{Errno, Result};
use machine::user::UserContext;
use process::{CloneArgs, CloneFlags, Thread, kernel_clone};
use zerocopy::FromBytes;

use crate::abi;
use crate::call::Call;
use crate::user::UserPtr;
use crate::{current, kill, user_loop};

/// What of a clone only the registers of the child know.
#[derive(Clone, Copy, Default)]
struct ChildRegisters {
    /// The child's stack pointer; 0: its parent's.
    stack_pointer: usize,
    /// The child's thread pointer, if it gets one of its own.
    thread_pointer: Option<usize>,
}

/// Makes a child that comes out of the same system call with 0.
fn make(
    call: &mut Call<'_>,
    args: &CloneArgs<'_>,
    registers: ChildRegisters,
    pidfd: UserPtr<i32>,
) -> Result<usize> {
    let mut context: UserContext = call.context.fork().map_err(|_| Errno::ENOMEM)?;
    context.set_result(0);
    if registers.stack_pointer != 0 {
        context.set_stack_pointer(registers.stack_pointer);
    }
    if let Some(pointer) = registers.thread_pointer {
        context.set_thread_pointer(pointer);
    }
    let wants_pidfd = args.flags.contains(CloneFlags::PIDFD);
    let number = kernel_clone(
        args,
        move || user_loop::run(context),
        |pid| wants_pidfd.then(|| kill::install_pidfd(pid, pidfd)).transpose(),
        call.context,
    )?;
    Ok(number as usize)
}

/// `fork`.
pub(crate) fn fork(call: &mut Call<'_>) -> Result<usize> {
    make(call, &CloneArgs::FORK, ChildRegisters::default(), UserPtr::new(0))
}

/// `vfork`.
pub(crate) fn vfork(call: &mut Call<'_>) -> Result<usize> {
    let args = CloneArgs { flags: CloneFlags::VFORK | CloneFlags::VM, ..CloneArgs::FORK };
    make(call, &args, ChildRegisters::default(), UserPtr::new(0))
}

/// `clone`.
pub(crate) fn clone(
    call: &mut Call<'_>,
    flags: u64,
    stack: usize,
    parent_tid: usize,
    child_tid: usize,
    tls: usize,
) -> Result<usize> {
    let (flags, exit_signal) = CloneFlags::from_clone(flags);
    if flags.contains(CloneFlags::PIDFD | CloneFlags::PARENT_SETTID) {
        // Both would go to the same place.
        return Err(Errno::EINVAL);
    }
    let args = CloneArgs { flags, exit_signal, parent_tid, child_tid, ..CloneArgs::FORK };
    let registers = ChildRegisters {
        stack_pointer: stack,
        thread_pointer: flags.contains(CloneFlags::SETTLS).then_some(checked_pointer(tls)?),
    };
    make(call, &args, registers, UserPtr::new(parent_tid))
}

/// A thread pointer has to be a user address, or the CPU refuses it.
fn checked_pointer(pointer: usize) -> Result<usize> {
    if pointer < machine::user::USER_END { Ok(pointer) } else { Err(Errno::EPERM) }
}

/// The least that `clone3`'s structure has: its first version.
const CLONE_ARGS_SIZE_VER0: usize = 64;
/// The least with a control group: its third version.
const CLONE_ARGS_SIZE_VER2: usize = 88;
/// The most numbers that `set_tid` may name.
const SET_TID_MAX: usize = 32;

/// `clone3`.
pub(crate) fn clone3(call: &mut Call<'_>, arguments: UserPtr<u8>, size: usize) -> Result<usize> {
    if size < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; size_of::<abi::process::CloneArgs>()];
    arguments.read_structure(&mut bytes, size, Errno::EINVAL)?;
    let given = abi::process::CloneArgs::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)?;
    let count = usize::try_from(given.set_tid_size).unwrap_or(usize::MAX);
    if count > SET_TID_MAX || (given.set_tid == 0) != (count == 0) {
        return Err(Errno::EINVAL);
    }
    if given.exit_signal > u64::from(process::signal::SIGNAL_MAX) {
        return Err(Errno::EINVAL);
    }
    let cgroup_fd = i32::try_from(given.cgroup);
    if given.flags & CloneFlags::INTO_CGROUP.bits() != 0
        && (cgroup_fd.is_err() || size < CLONE_ARGS_SIZE_VER2)
    {
        return Err(Errno::EINVAL);
    }
    let find_cgroup = || {
        let fd = cgroup_fd.map_err(|_| Errno::EBADF)?;
        cgroupfs::group_of(&*current::file_or_place(fd)?)
    };
    let set_tid = UserPtr::<u32>::new(given.set_tid as usize).read_many(count)?;
    let flags = CloneFlags::from_clone3(given.flags, given.exit_signal)?;
    let stack_pointer = match (given.stack, given.stack_size) {
        (0, 0) => 0,
        (0, _) | (_, 0) => return Err(Errno::EINVAL),
        (stack, size) => stack
            .checked_add(size)
            .filter(|&end| end <= machine::user::USER_END as u64)
            .ok_or(Errno::EINVAL)? as usize,
    };
    if flags.contains(CloneFlags::PIDFD | CloneFlags::PARENT_SETTID)
        && given.pidfd == given.parent_tid
    {
        // Both would go to the same place.
        return Err(Errno::EINVAL);
    }
    let args = CloneArgs {
        flags,
        exit_signal: given.exit_signal as u32,
        set_tid: &set_tid,
        parent_tid: given.parent_tid as usize,
        child_tid: given.child_tid as usize,
        cgroup: Some(&find_cgroup),
        ..CloneArgs::FORK
    };
    let thread_pointer = if flags.contains(CloneFlags::SETTLS) {
        Some(checked_pointer(given.tls as usize)?)
    } else {
        None
    };
    let registers = ChildRegisters { stack_pointer, thread_pointer };
    make(call, &args, registers, UserPtr::new(given.pidfd as usize))
}

/// `unshare`, of files, the file system context and namespaces. What is each thread's own anyway, or shared by all of
/// a process and by nobody else, is taken as done.
pub(crate) fn unshare(flags: u64) -> Result<usize> {
    let flags = CloneFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let of_process = CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM;
    let own = CloneFlags::FILES | CloneFlags::FS | CloneFlags::SYSVSEM | of_process;
    let namespaces = CloneFlags::NAMESPACES | CloneFlags::NEWUSER;
    if !(own | namespaces).contains(flags) {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(of_process) && current::process().thread_count() > 1 {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(namespaces) {
        process::unshare_namespaces(flags)?;
    }
    if flags.contains(CloneFlags::FILES) {
        unshare_files()?;
    }
    // One's own mounts come with a context of one's own.
    if flags.contains(CloneFlags::FS) && !flags.contains(CloneFlags::NEWNS) {
        let own = current::fs_context()?.fork_copy();
        drop(Thread::of(&sched::current()).set_fs(Some(own)));
    }
    Ok(0)
}

/// `setns`: enters the namespace that a file of `/proc/PID/ns` stands for, or those of a pidfd's process that are asked
/// for.
pub(crate) fn setns(fd: i32, kinds: u64) -> Result<usize> {
    const ORDER: [&str; 8] = ["user", "cgroup", "ipc", "net", "time", "uts", "pid", "mnt"];
    let kinds = CloneFlags::from_bits(kinds).ok_or(Errno::EINVAL)?;
    let file = current::file(fd)?;
    if let Some(file) = file.operations().downcast_ref::<process::NamespaceFile>() {
        let namespace = file.namespace();
        if !kinds.is_empty() && kinds != namespace.flag() {
            return Err(Errno::EINVAL);
        }
        namespace.clone().enter()?;
        return Ok(0);
    }
    let pid = kill::pid_of(fd).map_err(|_| Errno::EINVAL)?;
    if kinds.is_empty() || !(CloneFlags::NAMESPACES | CloneFlags::NEWUSER).contains(kinds) {
        return Err(Errno::EINVAL);
    }
    let task = pid.task().ok_or(Errno::ESRCH)?;
    for name in ORDER {
        let namespace = process::Namespace::of(Thread::of(&task), name).ok_or(Errno::ESRCH)?;
        if kinds.contains(namespace.flag()) {
            namespace.enter()?;
        }
    }
    Ok(0)
}

/// Gives the task a table of descriptors of its own.
///
/// # Errors
/// ENOMEM.
pub(crate) fn unshare_files() -> Result<()> {
    let own = current::files()?.fork_copy();
    drop(Thread::of(&sched::current()).set_files(Some(own)));
    Ok(())
}
