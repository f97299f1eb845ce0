//! The mounts that a process sees.

use errno::{Errno, Result};
use kernfs::Text;
use process::Thread;
use sched::TaskRef;

use super::subject::Subject;

/// `mounts`, as `/etc/mtab` has it.
pub(super) fn mounts(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let context = Thread::of(task).fs().ok_or(Errno::EINVAL)?;
    Ok(context.namespace().show(&context.root(), text)?)
}

/// `mountinfo`, with the tree's shape.
pub(super) fn mountinfo(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let context = Thread::of(task).fs().ok_or(Errno::EINVAL)?;
    Ok(context.namespace().show_info(&context.root(), text)?)
}
