//! `timers`: the POSIX timers of a process. They are known above this crate, which is told whom to ask.

use alloc::sync::Arc;
use core::fmt;

use errno::{Errno, Result};
use kernfs::Text;
use process::{PidNamespace, Process, process_of};
use sched::TaskRef;
use sync::Once;

use super::Subject;

/// Writes a process's timers, with the numbers of a namespace.
pub type ShowTimers = fn(&Arc<Process>, &PidNamespace, &mut dyn fmt::Write) -> fmt::Result;

static SHOW: Once<ShowTimers> = Once::new();

/// Says who knows the timers. Once.
///
/// # Errors
/// EBUSY: called twice.
pub fn set_timers(show: ShowTimers) -> Result<()> {
    SHOW.set(show).map_err(|_| Errno::EBUSY)
}

pub(super) fn timers(subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    match SHOW.get() {
        Some(show) => Ok(show(process_of(task), subject.namespace(), text)?),
        None => Ok(()),
    }
}
