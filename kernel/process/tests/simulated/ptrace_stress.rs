//! Tracers that attach, stop, resume and let go of a family at random, while it is signalled, forks
//! and ends.

use std::sync::atomic::AtomicU32;

use machine::sim::random;
use process::ptrace::{self, Options, Resume};
use process::{
    ChildEvent, CloneArgs, CloneFlags, Signal, WaitFor, WaitOptions, Waited, kernel_clone, kill,
    setpgid, wait_for_child,
};

use crate::harness::{THREAD, over_seeds, registers, take_signals_of};

const SIGNALS: [Signal; 4] = [Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGUSR1, Signal::SIGTSTP];

/// A member of the family: it stops, goes on, has children and ends.
fn live(left: u32) -> u32 {
    let mut context = registers();
    for _ in 0..left {
        if let Some(code) = take_signals_of(&mut context, &AtomicU32::new(0)) {
            return end(code);
        }
        match random(4) {
            0 => {
                let flags = if random(2) == 0 { CloneFlags::empty() } else { THREAD };
                let args = CloneArgs { flags, ..CloneArgs::FORK };
                let _ = kernel_clone(&args, move || live(left / 2), |_| Ok(()), &mut context);
            }
            1 => {
                let me = process::tgid() as i32;
                let _ = kill(me, Some(SIGNALS[random(SIGNALS.len() as u64) as usize]));
            }
            2 => {
                let _ = wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::NOHANG);
            }
            _ => {
                let _ = sched::sleep_interruptible(time::monotonic() + random(50_000));
            }
        }
    }
    end(0)
}

fn end(code: u32) -> u32 {
    ptrace::exit_stop(code, &mut registers());
    code
}

/// Does one thing to somebody, and deals with one piece of news.
fn trace() {
    let highest = 24;
    if let Some(task) = process::find_task(3 + random(highest) as u32) {
        let options = Options::FORK | Options::CLONE | Options::EXIT | Options::VFORK_DONE;
        let _ = match random(6) {
            0 => ptrace::attach(&task),
            1 => ptrace::seize(&task, options),
            2 => ptrace::seize(&task, Options::EXITKILL | Options::FORK),
            3 => ptrace::interrupt(&task),
            4 => ptrace::detach(&task, None),
            _ => ptrace::listen(&task),
        };
    }
    go_on(WaitOptions::EXITED | WaitOptions::ALL | WaitOptions::NOHANG);
}

/// Lets whoever has stopped go on.
fn go_on(options: WaitOptions) -> bool {
    match wait_for_child(&WaitFor::Any, options) {
        Ok(Some(Waited { pid, event: ChildEvent::Traced(code), .. })) => {
            if let Some(task) = process::find_task(pid) {
                let signal = Signal::from_number(code & 0x7f).filter(|_| code >> 8 == 0);
                let signal = signal.filter(|_| random(2) == 0);
                let _ = ptrace::resume(&task, Resume::Continue, signal);
            }
            true
        }
        Ok(other) => other.is_some(),
        Err(_) => false,
    }
}

#[test]
fn c04_random_tracers() {
    over_seeds(400, 3, || {
        let family = kernel_clone(&CloneArgs::FORK, || live(24), |_| Ok(()), &mut registers());
        let family = family.unwrap();
        let _ = setpgid(family, family);
        kernel_clone(
            &CloneArgs::FORK,
            || {
                (0..40).for_each(|_| {
                    trace();
                    sched::sleep_for(random(20_000));
                });
                0
            },
            |_| Ok(()),
            &mut registers(),
        )
        .unwrap();
        for _ in 0..20 {
            trace();
            let signal = SIGNALS[random(SIGNALS.len() as u64) as usize];
            let _ = kill(-(family as i32), Some(signal));
            sched::sleep_for(random(50_000));
        }
        // From here on nobody is left to go on but by being killed.
        loop {
            let _ = kill(-1, Some(Signal::SIGKILL));
            let options = WaitOptions::EXITED | WaitOptions::ALL | WaitOptions::NOHANG;
            while go_on(options) {}
            // Only a look: a stop that is taken here would be nobody's to end.
            let look = options | WaitOptions::NOWAIT;
            if matches!(wait_for_child(&WaitFor::Any, look), Err(errno::Errno::ECHILD)) {
                break;
            }
            sched::sleep_for(100_000);
        }
    });
}
