//! A child to trace: random requests to it, and to nobody else, as a tracer may stop and kill whom it likes.

use crate::arguments;
use runtime::process::{self, Fork};
use runtime::random::Random;
use runtime::sys;

const PTRACE: usize = 101;
/// Every request up to this number is made, and those from `MODERN` on.
const OLD: u64 = 34;
const MODERN: u64 = 0x4200;
const MODERN_COUNT: u64 = 18;
/// Attach, seize, go on to the next call, one step, go on: what the others need to get anywhere.
const HELPFUL: [usize; 5] = [16, 0x4206, 24, 9, 7];
/// What a status has in the place of a signal if the child has only stopped.
const STOPPED: u8 = 0x7f;
const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
/// How long the child sleeps between its calls, in milliseconds.
const PAUSE: u64 = 1;

/// The child, if there is one.
pub(crate) struct Tracee {
    pid: Option<i32>,
}

impl Tracee {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self { pid: None }
    }

    /// Makes one request. `good` is an address that may be written to.
    pub(crate) fn turn(&mut self, random: &mut Random, good: usize) {
        while let Ok(Some((pid, status))) = process::try_wait() {
            if self.pid == Some(pid) && (status.signal() != STOPPED || random.below(8) == 0) {
                // It has ended, or has been looked at for long enough.
                let _ = process::kill(pid, SIGKILL);
                self.pid = None;
            }
        }
        let Some(pid) = self.pid.or_else(start) else { return };
        self.pid = Some(pid);
        let request = match random.below(3) {
            0 => random.pick(&HELPFUL),
            1 => random.below(OLD) as usize,
            _ => (MODERN + random.below(MODERN_COUNT)) as usize,
        };
        if request == 0 {
            // It would make the tracer a tracee, and nobody looks after that one.
            return;
        }
        let [address, data] = [(); 2].map(|()| arguments::choose(random, good));
        // SAFETY: not sound, and meant: it may write to this process, which nobody will miss.
        let _ = unsafe { sys::call(PTRACE, [request, pid as usize, address, data, 0, 0]) };
    }
}

/// Makes a child that does little, until its parent ends: that may be at any moment and by anything.
fn start() -> Option<i32> {
    const PRCTL: usize = 157;
    const SET_PARENT_DEATH_SIGNAL: usize = 1;
    const WAIT4: usize = 61;
    const UNTRACED: usize = 2;
    let parent = process::id();
    match process::fork() {
        Ok(Fork::Child) => {
            // SAFETY: the call takes numbers only.
            unsafe { sys::call(PRCTL, [SET_PARENT_DEATH_SIGNAL, SIGKILL as usize, 0, 0, 0, 0]) };
            if process::parent() != parent {
                process::exit(0);
            }
            // Only now may it be stopped: nobody would let it go on after its parent's end.
            let _ = process::kill(process::id(), SIGSTOP);
            while process::parent() == parent {
                process::sleep(PAUSE);
            }
            process::exit(0)
        }
        Ok(Fork::Parent(pid)) => {
            // SAFETY: the call takes numbers, and no place to write to.
            unsafe { sys::call(WAIT4, [pid as usize, 0, UNTRACED, 0, 0, 0]) };
            let _ = process::kill(pid, SIGCONT);
            Some(pid)
        }
        Err(_) => None,
    }
}
