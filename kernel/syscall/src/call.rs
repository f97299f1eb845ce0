//! One system call on its way through the kernel.

use errno::{Errno, Result};
use machine::user::UserContext;

use crate::futex::FutexWait;
use crate::poll::PollWait;
use crate::sleep::NanosleepWait;

/// What is left of a system call that a signal has interrupted, for `restart_syscall` to go on
/// with.
#[derive(Clone, Debug)]
pub enum Restart {
    /// `nanosleep` and `clock_nanosleep`.
    Nanosleep(NanosleepWait),
    /// `futex` with a time-out.
    Futex(FutexWait),
    /// `poll` with a time-out.
    Poll(PollWait),
}

/// A system call that the running task is making.
pub struct Call<'a> {
    /// The caller's registers.
    pub context: &'a mut UserContext,
    restart: &'a mut Option<Restart>,
    end: Option<u32>,
}

impl<'a> Call<'a> {
    /// The call that `context` has trapped with. `restart` belongs to the task and outlives the
    /// call.
    pub fn new(context: &'a mut UserContext, restart: &'a mut Option<Restart>) -> Self {
        Self { context, restart, end: None }
    }

    /// The argument in a place from 0 to 5.
    #[inline]
    pub fn argument(&self, place: usize) -> usize {
        self.context.argument(place)
    }

    /// This is the task's last call; it ends with an exit code.
    pub fn end_task(&mut self, code: u32) {
        self.end = Some(code);
    }

    /// The exit code, if this was the task's last call.
    #[inline]
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// Remembers how to go on after the signal, and gives the error that says so.
    #[must_use = "the error is what makes the call go on"]
    pub fn restart_with(&mut self, restart: Restart) -> Errno {
        *self.restart = Some(restart);
        Errno::ERESTART_RESTARTBLOCK
    }
}

/// `restart_syscall`: made in place of a call that is to go on; by anybody else it is refused.
pub fn restart_syscall(call: &mut Call<'_>) -> Result<usize> {
    match call.restart.take() {
        Some(Restart::Nanosleep(wait)) => crate::sleep::wait(call, wait),
        Some(Restart::Futex(wait)) => crate::futex::wait(call, wait),
        Some(Restart::Poll(wait)) => crate::poll::wait(call, wait),
        None => Err(Errno::EINTR),
    }
}
