//! `execve` and `execveat`, and how PID 1 becomes a user process.

use alloc::format;
use alloc::vec::Vec;

use errno::{Errno, Result};
use exec::{Program, Strings};
use fs::{LookupFlags, Start};
use process::Thread;

use crate::call::Call;
use crate::current::{self, AT_FDCWD};
use crate::stat::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, lookup_flags};
use crate::user::UserPtr;
use crate::user_loop;

/// `execve`.
pub fn execve(
    call: &mut Call<'_>,
    path: UserPtr<u8>,
    arguments: usize,
    environment: usize,
) -> Result<usize> {
    execveat(call, AT_FDCWD, path, arguments, environment, 0)
}

/// `execveat`.
pub fn execveat(
    call: &mut Call<'_>,
    directory: i32,
    path: UserPtr<u8>,
    arguments: usize,
    environment: usize,
    flags: u32,
) -> Result<usize> {
    ::memory::require_free()?;
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = path.read_path()?;
    let start = current::start(directory, &path)?;
    let limit = exec::arguments_limit(&current::process());
    let program = Program {
        shown: shown_path(&start, directory, &path),
        start,
        path: path.into_vec(),
        lookup: lookup_flags(flags),
        arguments: Strings::copy_from_user(arguments, limit)?,
        environment: Strings::copy_from_user(environment, limit)?,
    };
    let before = Thread::of(&sched::current()).pid();
    exec::execute(call.context, program)?;
    // The event comes before the call's result, which is that of a call that has worked.
    call.context.set_result(0);
    process::ptrace::exec_stop(&before, call.context);
    Ok(0)
}

/// A script's interpreter has to find the file again, by a path without the descriptor's help.
fn shown_path(start: &Start, directory: i32, path: &[u8]) -> Option<Vec<u8>> {
    match start {
        Start::Cwd => None,
        Start::At(_) => {
            let mut shown = format!("/dev/fd/{directory}").into_bytes();
            if !path.is_empty() {
                shown.push(b'/');
                shown.extend_from_slice(path);
            }
            Some(shown)
        }
    }
}

/// Turns the running kernel thread into a user process that runs a program, and returns the exit
/// code of its thread, which the thread's start function returns in turn. PID 1 does this, with no
/// lock held and nothing of its own left to do.
///
/// # Errors
/// Those of `execve`; the thread is a kernel thread as before.
pub fn run_program<'a>(
    path: &[u8],
    arguments: impl IntoIterator<Item = &'a [u8]>,
    environment: impl IntoIterator<Item = &'a [u8]>,
) -> Result<u32> {
    let strings = |list: &mut dyn Iterator<Item = &'a [u8]>| {
        let mut strings = Strings::new();
        for string in list {
            strings.push(string)?;
        }
        Ok::<_, Errno>(strings)
    };
    let program = Program {
        start: Start::Cwd,
        path: path.to_vec(),
        lookup: LookupFlags::FOLLOW,
        shown: None,
        arguments: strings(&mut arguments.into_iter())?,
        environment: strings(&mut environment.into_iter())?,
    };
    Ok(user_loop::run(exec::execute_from_kernel(program)?))
}
