//! Everything at once: families that do what the seed tells them, until PID 1 ends them all.

use std::sync::atomic::AtomicU32;

use machine::sim::random;
use process::{
    CloneArgs, CloneFlags, NewProgram, Signal, WaitFor, WaitOptions, begin_new_exec, group_exit,
    kernel_clone, kill, setpgid, setsid, tgkill, wait_for_child,
};

use crate::harness::{THREAD, over_seeds, registers, take_signals};

const SIGNALS: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGSTOP,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGKILL,
    Signal::SIGCHLD,
    Signal::SIGHUP,
    Signal::SIGUSR1,
];

fn some_number() -> u32 {
    3 + random(30) as u32
}

/// What a task does, some steps long. Its children take fewer.
fn live(steps: u64) -> u32 {
    for _ in 0..steps {
        if let Some(code) = take_signals(&AtomicU32::new(0)) {
            return code;
        }
        if let Some(code) = step(steps) {
            return code;
        }
    }
    random(3) as u32
}

/// One step; gives the exit code if it was the last. What it asks for may well be refused.
fn step(left: u64) -> Option<u32> {
    match random(14) {
        0..4 => {
            let flags = [
                CloneFlags::empty(),
                CloneFlags::empty(),
                THREAD,
                CloneFlags::PARENT,
                CloneFlags::VFORK | CloneFlags::VM,
                CloneFlags::NEWPID,
            ];
            let flags = flags[random(flags.len() as u64) as usize];
            let args = CloneArgs { flags, ..CloneArgs::FORK };
            let _ = kernel_clone(&args, move || live(left / 2), |_| Ok(()), &mut registers());
        }
        4 => {
            let options = WaitOptions::EXITED | WaitOptions::STOPPED | WaitOptions::CONTINUED;
            let _ = wait_for_child(&WaitFor::Any, options | WaitOptions::NOHANG);
        }
        5 => {
            let _ = wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::ALL);
        }
        6..9 => {
            let signal = SIGNALS[random(SIGNALS.len() as u64) as usize];
            let number = some_number() as i32;
            let _ = match random(4) {
                0 => kill(-number, Some(signal)),
                1 => tgkill(None, number as u32, Some(signal)),
                _ => kill(number, Some(signal)),
            };
        }
        9 => {
            let _ = setpgid(some_number(), some_number());
        }
        10 => {
            let _ = setpgid(0, 0);
        }
        11 => {
            let _ = setsid();
        }
        12 => {
            if random(3) == 0 {
                return Some(group_exit(process::exit_code_of_status(1)));
            }
            process::current_process().set_subreaper(random(2) == 0);
        }
        _ => {
            let _ = begin_new_exec(NewProgram {
                mm: vm::Mm::new().unwrap(),
                credentials: process::credentials(),
                comm: b"program",
            });
        }
    }
    None
}

#[test]
fn c07_families_leave_nothing_whatever_they_do() {
    over_seeds(400, 4, || {
        for _ in 0..3 {
            let _ = kernel_clone(&CloneArgs::FORK, || live(16), |_| Ok(()), &mut registers());
        }
        sched::sleep_for(random(300_000));
        // Until nobody is left: a fork may have come before the signal, and its child after.
        loop {
            let _ = kill(-1, Some(Signal::SIGKILL));
            let options = WaitOptions::EXITED | WaitOptions::ALL | WaitOptions::NOHANG;
            match wait_for_child(&WaitFor::Any, options) {
                Ok(_) => sched::sleep_for(time::MICROSECOND * 50),
                Err(_) => break,
            }
        }
    });
}
