//! `cwd`, `root` and `exe`: links that lead straight to a place.

use alloc::sync::Arc;
use core::any::Any;

use errno::{Errno, Result};
use fs::{File, Path};
use process::Thread;
use sched::TaskRef;

/// The working directory.
pub(super) fn cwd(task: &TaskRef) -> Result<Path> {
    Ok(Thread::of(task).fs().ok_or(Errno::ENOENT)?.cwd())
}

/// The root directory.
pub(super) fn root(task: &TaskRef) -> Result<Path> {
    Ok(Thread::of(task).fs().ok_or(Errno::ENOENT)?.root())
}

/// The program. A kernel thread has none.
pub(super) fn exe(task: &TaskRef) -> Result<Path> {
    let mm = Thread::of(task).mm().ok_or(Errno::ENOENT)?;
    let program: Arc<dyn Any + Send + Sync> = mm.executable().ok_or(Errno::ENOENT)?;
    let file = program.downcast::<File>().map_err(|_| Errno::ENOENT)?;
    Ok(file.path().clone())
}
