//! `execve`, without the copying of its arguments.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{Caller, File, LookupFlags, Start};
use machine::user::UserContext;
use process::{Resource, Thread};
use trace::{SCHED_PROCESS_EXEC, SchedProcessExec, Text};
use vm::Limits;

use crate::credentials;
use crate::file;
use crate::image::{Image, Ingredients};
use crate::script::{BEGINNING, FirstLine};
use crate::strings::Strings;

/// So many interpreters may follow each other, as in Linux.
const SCRIPTS_MAX: usize = 5;

/// `ADDR_NO_RANDOMIZE` of `personality`.
const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;

/// What is to be executed.
pub struct Program {
    /// Where its path starts.
    pub start: Start,
    /// Its path.
    pub path: Vec<u8>,
    /// How to look it up.
    pub lookup: LookupFlags,
    /// The path as the program is to see it, if that is another one (`execveat`).
    pub shown: Option<Vec<u8>>,
    /// `argv`.
    pub arguments: Strings,
    /// `envp`.
    pub environment: Strings,
}

/// The most that arguments and environment may take together: a quarter of the stack, but no more
/// than 6 MiB and no less than what one long string takes.
pub fn arguments_limit(process: &process::Process) -> usize {
    const MOST: u64 = 6 << 20;
    let stack = process.limit(Resource::Stack).soft;
    (stack / 4).min(MOST).max(crate::strings::STRING_MAX as u64) as usize
}

/// Replaces the running task's program. On success the registers in `context` are those that the
/// new one starts with.
///
/// # Errors
/// E2BIG, EACCES, ELOOP, ENOENT, ENOEXEC, ENOMEM and whatever the files give; the old program is as
/// it was.
pub fn execute(context: &mut UserContext, program: Program) -> Result<()> {
    let image = replace_program(program)?;
    context.reset(image.entry, image.stack_pointer);
    Ok(())
}

/// As [`execute`], for a kernel thread that becomes a user task: gives it its first registers.
///
/// # Errors
/// As [`execute`].
pub fn execute_from_kernel(program: Program) -> Result<UserContext> {
    // Made first: after the point of no return nothing may fail.
    let mut context = UserContext::new(0, 0).map_err(|_| Errno::ENOMEM)?;
    execute(&mut context, program)?;
    Ok(context)
}

fn replace_program(mut program: Program) -> Result<Image> {
    let me = sched::current_ref();
    let thread = Thread::of(&me);
    let process = thread.process();
    let context = thread.fs().ok_or(Errno::ENOENT)?;
    let who = thread.credentials();
    let caller = Caller { fs: &context, credentials: &who };
    if program.arguments.count() == 0 {
        // A program may take it for granted that it has a name.
        program.arguments.push(b"")?;
    }
    let file = find(&caller, &mut program)?;
    if program.arguments.cost() + program.environment.cost() > arguments_limit(process) {
        return Err(Errno::E2BIG);
    }
    // Whoever shares the file system context could move the ground under a privileged program.
    let trusted = Arc::strong_count(&context) <= 2 && process::ptrace::may_gain_privileges();
    let identity = credentials::of_program(&who, &file, trusted)?;
    let image = Image::build(
        &Ingredients {
            file,
            path: program.shown.as_deref().unwrap_or(&program.path),
            arguments: &program.arguments,
            environment: &program.environment,
            credentials: &identity.credentials,
            secure: identity.secure,
            limits: Limits {
                address_space: process.limit(Resource::AddressSpace).soft,
                data: process.limit(Resource::Data).soft,
                stack: process.limit(Resource::Stack).soft,
            },
            refuses_large_pages: thread.mm().is_some_and(|mm| mm.refuses_large_pages()),
            randomize: thread.personality() & ADDR_NO_RANDOMIZE == 0,
        },
        &caller,
    )?;
    let before = me.pid();
    process::begin_new_exec(process::NewProgram {
        mm: image.mm.clone(),
        credentials: identity.credentials,
        comm: name_of(&program.path),
    })?;
    SCHED_PROCESS_EXEC.record(|| SchedProcessExec {
        filename: Text::new(&program.path),
        pid: me.pid() as i32,
        old_pid: before as i32,
    });
    process::events::executed();
    Ok(image)
}

/// Opens the program, or the interpreter at the end of a chain of scripts, and makes the arguments
/// fit.
fn find(caller: &Caller<'_>, program: &mut Program) -> Result<Arc<File>> {
    let mut file = file::open(caller, &program.start, &program.path, program.lookup)?;
    let mut script_path = program.shown.take().unwrap_or_else(|| program.path.clone());
    program.shown = Some(script_path.clone());
    for _ in 0..=SCRIPTS_MAX {
        let mut beginning = [0; BEGINNING];
        let length = file::read_at(&file, &mut beginning, 0)?;
        let script = match FirstLine::parse(&beginning[..length]) {
            FirstLine::NotAScript => return Ok(file),
            FirstLine::Bad => return Err(Errno::ENOEXEC),
            FirstLine::Script(script) => script,
        };
        // The interpreter, its one argument, the script's path, and the arguments but for the
        // script's name.
        let mut arguments = Strings::new();
        arguments.push(script.interpreter)?;
        if let Some(argument) = script.argument {
            arguments.push(argument)?;
        }
        arguments.push(&script_path)?;
        program.arguments.remove_first();
        arguments.append(&program.arguments)?;
        program.arguments = arguments;
        script_path = script.interpreter.to_vec();
        program.shown = Some(script_path.clone());
        file = file::open(caller, &Start::Cwd, &script_path, LookupFlags::FOLLOW)?;
    }
    Err(Errno::ELOOP)
}

/// What `comm` becomes: the last component of the path.
fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
