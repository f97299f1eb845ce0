//! The one child that matters, and the orphans that do not.

use crate::order::Order;
use core::ffi::CStr;
use runtime::process::{self, Fork, Strings};
use runtime::{Errno, Result, file, terminal};

/// Room for the command's words and for the environment.
const WORDS: usize = 1024;

const DIRECTORIES: [&[u8]; 4] = [b"/usr/bin/", b"/usr/sbin/", b"/bin/", b"/sbin/"];
const PATH: &CStr = c"PATH=/usr/bin:/usr/sbin:/bin:/sbin";

/// Exit statuses as shells use them.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Starts the command or the shell; returns its PID.
pub(crate) fn start(order: &Order) -> Result<i32> {
    match process::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            // Without a controlling terminal there is no job control; the command may not need it.
            let _ = process::new_session();
            let _ = terminal::take_control(0);
            process::exit(run(order))
        }
    }
}

/// Reaps children until this one has ended, and returns how.
pub(crate) fn wait_for(pid: i32) -> u8 {
    loop {
        match process::wait(None) {
            Ok((ended, status)) if ended == pid => return status.code(),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                runtime::eprintln!("init: wait4: error {}", error.0);
                return 125;
            }
        }
    }
}

fn run(order: &Order) -> i32 {
    let mut environment = Strings::<WORDS>::new();
    let mut arguments = Strings::<WORDS>::new();
    let mut fits = environment.push(PATH) & environment.push(c"HOME=/root");
    for addition in order.environment() {
        fits &= environment.push(addition);
    }
    let program = order.arguments().next();
    if program.is_some() {
        for argument in order.arguments() {
            fits &= arguments.push(argument);
        }
    } else {
        fits &= arguments.push(c"-sh");
        let _ = file::change_directory(c"/root");
    }
    if !fits {
        runtime::eprintln!("init: the command has more than {} words", WORDS - 1);
        return NOT_EXECUTABLE;
    }
    let program = program.unwrap_or(c"sh");
    let error = find_and_execute(program, &arguments, &environment);
    let name = program.to_str().unwrap_or("the command");
    match error {
        Errno::ENOENT | Errno::ENOTDIR => {
            runtime::eprintln!("{name}: not found");
            NOT_FOUND
        }
        Errno(error) => {
            runtime::eprintln!("{name}: cannot be executed (error {error})");
            NOT_EXECUTABLE
        }
    }
}

/// Tries the directories of `PATH` in turn, if the name has no slash; returns why none served.
fn find_and_execute(
    program: &CStr,
    arguments: &Strings<WORDS>,
    environment: &Strings<WORDS>,
) -> Errno {
    if program.to_bytes().is_empty() {
        return Errno::ENOENT;
    }
    if program.to_bytes().contains(&b'/') {
        return process::execute(program, arguments, environment);
    }
    let mut worst = Errno::ENOENT;
    for directory in DIRECTORIES {
        let mut path = [0; 256];
        let Some(path) = join(directory, program.to_bytes(), &mut path) else {
            continue;
        };
        match process::execute(path, arguments, environment) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            error => worst = error,
        }
    }
    worst
}

fn join<'a>(directory: &[u8], name: &[u8], path: &'a mut [u8]) -> Option<&'a CStr> {
    let length = directory.len() + name.len();
    path.get_mut(..directory.len())?.copy_from_slice(directory);
    path.get_mut(directory.len()..length)?.copy_from_slice(name);
    CStr::from_bytes_until_nul(path).ok()
}
