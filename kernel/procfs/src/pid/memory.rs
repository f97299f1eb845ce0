//! What shows a program's memory. Kernel threads have none, and their files are empty.

use alloc::vec::Vec;

use errno::{Errno, Result};
use kernfs::Text;
use memory::PAGE_SIZE;
use process::Thread;
use sched::TaskRef;
use vm::{Force, Mm};

use super::subject::Subject;

/// `maps`
pub(super) fn maps(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    Thread::of(task).mm().map_or(Ok(()), |mm| Ok(mm.write_maps(text)?))
}

/// `smaps`
pub(super) fn smaps(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    Thread::of(task).mm().map_or(Ok(()), |mm| Ok(mm.write_smaps(text)?))
}

/// `numa_maps`
pub(super) fn numa_maps(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    Thread::of(task).mm().map_or(Ok(()), |mm| Ok(mm.write_numa_maps(text)?))
}

/// `cmdline`: the arguments, each with its NUL. A program that has written a title over them,
/// without the last NUL, is shown up to the end of the title, which may reach into the environment.
pub(super) fn cmdline(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let Some(mm) = Thread::of(task).mm() else { return Ok(()) };
    let layout = mm.layout();
    let (start, end) = layout.arguments;
    let mut arguments = read_user(&mm, start, end)?;
    if arguments.last().is_some_and(|&last| last != 0) {
        let (environment, environment_end) = layout.environment;
        if environment == end {
            arguments.append(&mut read_user(&mm, environment, environment_end)?);
        }
        let title =
            arguments.iter().position(|&byte| byte == 0).map_or(arguments.len(), |at| at + 1);
        arguments.truncate(title);
    }
    text.push(&arguments)
}

/// `environ`: the environment that the program was started with, as it is now.
pub(super) fn environ(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let Some(mm) = Thread::of(task).mm() else { return Ok(()) };
    let (start, end) = mm.layout().environment;
    text.push(&read_user(&mm, start, end)?)
}

/// `auxv`
pub(super) fn auxv(_subject: &Subject, task: &TaskRef, text: &mut Text) -> Result<()> {
    let Some(mm) = Thread::of(task).mm() else { return Ok(()) };
    mm.auxiliary_vector().iter().try_for_each(|word| text.push(&word.to_ne_bytes()))
}

/// Copies a part of somebody's memory, up to what is not there.
fn read_user(mm: &Mm, start: usize, end: usize) -> Result<Vec<u8>> {
    let length = end.saturating_sub(start);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    let mut page = [0; 256];
    while bytes.len() < length {
        let address = start + bytes.len();
        let in_page = PAGE_SIZE - address % PAGE_SIZE;
        let piece = page.len().min(length - bytes.len()).min(in_page);
        let read = mm.read_remote(address, &mut page[..piece], Force::No);
        bytes.extend_from_slice(&page[..read]);
        if read < piece {
            break;
        }
    }
    Ok(bytes)
}
