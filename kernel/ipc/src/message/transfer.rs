//! Sending and receiving.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::Credentials;
use process::Pid;
use sched::{Sleep, WaitError, WaitQueue};
use sync::SpinGuard;

use super::queue::{Message, Queue, State};
use super::selection::Selection;

/// What one wants with a queue.
const READ: u32 = 4;
const WRITE: u32 = 2;

impl Queue {
    /// Sends a message; waits for room if `wait` says so.
    ///
    /// # Errors
    /// EACCES. EAGAIN: no room. EIDRM: the queue was removed. ERESTARTNOHAND: a signal came. ENOMEM.
    pub fn send(
        &self,
        message: Message,
        wait: bool,
        who: &Credentials,
        pid: &Arc<Pid>,
    ) -> Result<()> {
        let mut unsent = Some(message);
        let attempt = || {
            let mut state = self.state.lock();
            if let Err(error) = state.status.permissions.check(who, WRITE) {
                return Some(Err(error));
            }
            if state.removed {
                return Some(Err(Errno::EIDRM));
            }
            let message = unsent.take()?;
            if !state.has_room(message.text.len()) {
                unsent = Some(message);
                return None;
            }
            if let Err(message) = state.push(message) {
                unsent = Some(message);
                return Some(Err(Errno::ENOMEM));
            }
            let before = state.status.sent.1.replace(pid.clone());
            state.status.sent.0 = time::realtime();
            drop(state);
            drop(before);
            Some(Ok(()))
        };
        wait_for(&self.room, wait, Errno::EAGAIN, attempt)?;
        self.arrivals.wake_all();
        Ok(())
    }

    /// Receives a message of at most `length` bytes, or, if `cut` says so, what is to be cut to that; waits for one if `wait` says so.
    ///
    /// # Errors
    /// EACCES. E2BIG: it is longer, and stays. ENOMSG: there is none. EIDRM: the queue was removed. ERESTARTNOHAND: a
    /// signal came.
    pub fn receive(
        &self,
        selection: Selection,
        length: usize,
        cut: bool,
        wait: bool,
        who: &Credentials,
        pid: &Arc<Pid>,
    ) -> Result<Message> {
        let attempt = || match self.find(selection, length, cut, who) {
            Err(error) => Some(Err(error)),
            Ok(None) => None,
            Ok(Some((mut state, index))) => {
                let message = state.take(index);
                let before = state.status.received.1.replace(pid.clone());
                state.status.received.0 = time::realtime();
                drop(state);
                drop(before);
                message.map(Ok)
            }
        };
        let message = wait_for(&self.arrivals, wait, Errno::ENOMSG, attempt)?;
        self.room.wake_all();
        Ok(message)
    }

    /// A copy of the message in a place, which stays.
    ///
    /// # Errors
    /// As [`receive`](Self::receive) without waiting; ENOMEM.
    pub fn copy(&self, place: i64, length: usize, cut: bool, who: &Credentials) -> Result<Message> {
        let found = self.find(Selection::Place(place), length, cut, who)?;
        let (state, index) = found.ok_or(Errno::ENOMSG)?;
        state.messages[index].copy()
    }

    /// Where the wanted message is, in the locked queue.
    fn find(
        &self,
        selection: Selection,
        length: usize,
        cut: bool,
        who: &Credentials,
    ) -> Result<Option<(SpinGuard<'_, State>, usize)>> {
        let state = self.state.lock();
        state.status.permissions.check(who, READ)?;
        if state.removed {
            return Err(Errno::EIDRM);
        }
        let Some(index) = selection.find(&state.messages) else { return Ok(None) };
        if state.messages[index].text.len() > length && !cut {
            return Err(Errno::E2BIG);
        }
        Ok(Some((state, index)))
    }
}

/// Tries, and waits at a queue until an attempt comes to an end.
fn wait_for<T>(
    queue: &WaitQueue,
    wait: bool,
    otherwise: Errno,
    mut attempt: impl FnMut() -> Option<Result<T>>,
) -> Result<T> {
    if let Some(outcome) = attempt() {
        return outcome;
    }
    if !wait {
        return Err(otherwise);
    }
    match queue.wait_map(Sleep::Interruptible, None, attempt) {
        Ok(outcome) => outcome,
        // Not even SA_RESTART has it go on after a handler.
        Err(WaitError::Interrupted | WaitError::TimedOut) => Err(Errno::ERESTARTNOHAND),
    }
}
