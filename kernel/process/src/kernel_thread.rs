//! Kernel threads in the raw: what PID 1, PID 2 and, through PID 2, every other one is made with.

use errno::Result;
use machine::NodeId;
use sched::{Comm, TaskRef};

use crate::clone::{CloneArgs, NewTask, copy_process};
use crate::flags::CloneFlags;
use crate::signal::Signal;

/// A kernel thread to be made.
pub struct KernelThread<'a, F> {
    /// Its `comm`.
    pub name: &'a [u8],
    /// Where its memory comes from; the creator's node if none is given.
    pub node: Option<NodeId>,
    /// What it shares with its creator, besides what every kernel thread shares.
    pub flags: CloneFlags,
    /// What it does. What it returns is its exit code.
    pub function: F,
}

/// Makes a kernel thread that is a child of the running task and starts it. May sleep.
///
/// Drivers and daemons go through `kthread` instead, whose threads are children of kthreadd and
/// begin with nothing of their creator's.
///
/// # Errors
/// EAGAIN: no number, or too many tasks. ENOMEM.
pub fn kernel_thread(
    thread: KernelThread<'_, impl FnOnce() -> i32 + Send + 'static>,
) -> Result<TaskRef> {
    Ok(new_kernel_thread(thread)?.wake())
}

/// As [`kernel_thread`], but leaves it to the caller to start the thread. May sleep.
///
/// # Errors
/// As [`kernel_thread`].
pub fn new_kernel_thread(
    thread: KernelThread<'_, impl FnOnce() -> i32 + Send + 'static>,
) -> Result<NewTask> {
    let function = thread.function;
    // PID 0, which makes the first two, waits for nobody.
    let exit_signal = if sched::current().pid() == 0 { 0 } else { Signal::SIGCHLD.number() };
    let args = CloneArgs {
        flags: thread.flags | CloneFlags::VM | CloneFlags::UNTRACED,
        exit_signal,
        kernel: Some(Comm::new(thread.name)),
        node: thread.node,
        ..CloneArgs::FORK
    };
    copy_process(&args, move || function() as u32, |_| Ok(()))
}
