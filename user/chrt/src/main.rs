//! Sets or shows how a process is scheduled: what util-linux's `chrt` and coreutils' `nice` do, for a guest that has neither.
//!
//! ```text
//! chrt -f PRIORITY PROGRAM [ARGUMENT...]    run it as SCHED_FIFO
//! chrt -r PRIORITY PROGRAM [ARGUMENT...]    run it as SCHED_RR
//! chrt -b 0 PROGRAM, chrt -i 0 PROGRAM      run it as SCHED_BATCH, SCHED_IDLE
//! chrt -n NICE PROGRAM [ARGUMENT...]        run it with this nice value
//! chrt -p PID                               show policy and priority
//! ```
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::ffi::CStr;

use runtime::process::{self, Strings};
use runtime::{Arguments, Result, eprintln, println, sched};

runtime::program!(main);

/// Room for the program's arguments.
const WORDS: usize = 32;

fn main(mut arguments: Arguments) -> i32 {
    let option = arguments.nth(1).map(CStr::to_bytes).unwrap_or_default();
    let value = arguments.next().and_then(|word| signed(word.to_bytes()));
    let Some(value) = value else { return usage() };
    let done = match option {
        b"-f" => sched::set_policy(0, 1, value),
        b"-r" => sched::set_policy(0, 2, value),
        b"-b" => sched::set_policy(0, 3, value),
        b"-i" => sched::set_policy(0, 5, value),
        b"-n" => sched::set_nice(value),
        b"-p" => return show(value),
        _ => return usage(),
    };
    if let Err(error) = done {
        eprintln!("chrt: error {}", error.0);
        return 1;
    }
    run(arguments)
}

fn usage() -> i32 {
    eprintln!("usage: chrt -f|-r|-b|-i PRIORITY PROGRAM..., chrt -n NICE PROGRAM..., chrt -p PID");
    2
}

fn signed(text: &[u8]) -> Option<i32> {
    let (sign, digits) = text.strip_prefix(b"-").map_or((1, text), |digits| (-1, digits));
    Some(sign * i32::try_from(runtime::string::number(digits)?).ok()?)
}

fn show(pid: i32) -> i32 {
    match policy(pid) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("chrt: {pid}: error {}", error.0);
            1
        }
    }
}

fn policy(pid: i32) -> Result<()> {
    let (policy, priority) = sched::policy(pid)?;
    let name = match policy {
        0 => "SCHED_OTHER",
        1 => "SCHED_FIFO",
        2 => "SCHED_RR",
        3 => "SCHED_BATCH",
        5 => "SCHED_IDLE",
        _ => "unknown",
    };
    println!("{name} {priority}");
    Ok(())
}

/// Becomes the program, which is looked for in `/bin` unless it is a path.
fn run(arguments: Arguments) -> i32 {
    let mut words = Strings::<WORDS>::new();
    let mut program = None;
    for word in arguments {
        program = program.or(Some(word));
        if !words.push(word) {
            eprintln!("chrt: too many arguments");
            return 2;
        }
    }
    let Some(program) = program else { return usage() };
    let mut environment = Strings::<2>::new();
    let fits = environment.push(c"PATH=/bin");
    let mut path = [0; 256];
    let name = program.to_bytes();
    let prefix: &[u8] = if name.contains(&b'/') { b"" } else { b"/bin/" };
    if !fits || prefix.len() + name.len() >= path.len() {
        eprintln!("chrt: the name is too long");
        return 2;
    }
    path[..prefix.len()].copy_from_slice(prefix);
    path[prefix.len()..prefix.len() + name.len()].copy_from_slice(name);
    let path = CStr::from_bytes_until_nul(&path).unwrap_or(program);
    let error = process::execute(path, &words, &environment);
    eprintln!("chrt: error {}", error.0);
    127
}
