//! Operating on a set: several semaphores at once, or none.

use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::{Errno, Result};
use sched::{Sleep, WaitError};

use super::set::{Set, State, VALUE_MAX};

/// Somebody has asked for something to be undone, at some time: before, the end of a process has nothing to look for.
static UNDO_IS_USED: AtomicBool = AtomicBool::new(false);

/// What to do to one semaphore (`struct sembuf`).
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which.
    pub index: usize,
    /// How much to add; 0 waits for the value to be 0.
    pub change: i32,
    /// Fail where it would have to wait.
    pub no_wait: bool,
    /// Do the opposite when the process ends.
    pub undo: bool,
}

/// Why operations cannot be done now.
struct Blocked {
    index: usize,
    for_zero: bool,
    no_wait: bool,
}

/// Does all operations at once, for a process; waits until that is possible. `deadline`: a time of the monotonic
/// clock.
///
/// # Errors
/// EFBIG: no such semaphore. ERANGE: a value would become too large. EAGAIN: it would have to wait and may not, or not
/// any longer. EIDRM: the set was removed. EINTR. ENOMEM.
pub fn operate(
    set: &Arc<Set>,
    operations: &[Operation],
    pid: u32,
    deadline: Option<u64>,
) -> Result<()> {
    let mut counted: Option<Blocked> = None;
    let mut attempt = || {
        let mut state = set.state.lock();
        if let Some(before) = counted.take() {
            count(&mut state, &before, false);
        }
        match try_all(&mut state, operations, pid) {
            Ok(Ok(())) => Some(Ok(())),
            Ok(Err(blocked)) if blocked.no_wait => Some(Err(Errno::EAGAIN)),
            Ok(Err(blocked)) => {
                count(&mut state, &blocked, true);
                counted = Some(blocked);
                None
            }
            Err(error) => Some(Err(error)),
        }
    };
    let outcome = match attempt() {
        Some(outcome) => outcome,
        None => match set.queue.wait_map(Sleep::Interruptible, deadline, &mut attempt) {
            Ok(outcome) => outcome,
            Err(WaitError::TimedOut) => Err(Errno::EAGAIN),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        },
    };
    if let Some(before) = counted {
        count(&mut set.state.lock(), &before, false);
    }
    if outcome.is_ok() && operations.iter().any(|operation| operation.change != 0) {
        set.queue.wake_all();
    }
    outcome
}

/// Counts somebody who waits, or no longer does.
fn count(state: &mut State, blocked: &Blocked, waits: bool) {
    let Some(one) = state.semaphores.get_mut(blocked.index) else { return };
    let counter =
        if blocked.for_zero { &mut one.waiting_for_zero } else { &mut one.waiting_for_more };
    *counter = if waits { *counter + 1 } else { *counter - 1 };
}

/// Does all, or says what stands in the way and leaves everything as it was.
fn try_all(state: &mut State, operations: &[Operation], pid: u32) -> Result<Result<(), Blocked>> {
    if state.removed {
        return Err(Errno::EIDRM);
    }
    let count = state.semaphores.len();
    if operations.iter().any(|operation| operation.index >= count) {
        return Err(Errno::EFBIG);
    }
    for (done, operation) in operations.iter().enumerate() {
        let one = &mut state.semaphores[operation.index];
        let sum = i32::from(one.value) + operation.change;
        let blocked = if operation.change == 0 { one.value != 0 } else { sum < 0 };
        if !blocked && sum <= i32::from(VALUE_MAX) {
            // Between 0 and the highest value.
            one.value = sum as u16;
            continue;
        }
        for operation in operations[..done].iter().rev() {
            let one = &mut state.semaphores[operation.index];
            one.value = (i32::from(one.value) - operation.change) as u16;
        }
        if !blocked {
            return Err(Errno::ERANGE);
        }
        return Ok(Err(Blocked {
            index: operation.index,
            for_zero: operation.change == 0,
            no_wait: operation.no_wait,
        }));
    }
    for operation in operations {
        state.semaphores[operation.index].pid = pid;
        if operation.undo {
            // The process that has to see this is the one that runs here.
            UNDO_IS_USED.store(true, Ordering::Relaxed);
            let undo = state.undo.entry(pid).or_insert_with(|| vec![0; count]);
            undo[operation.index] -= operation.change;
        }
    }
    state.operated = time::realtime();
    Ok(Ok(()))
}

/// A process ends: does what it left to be undone. A value stays within its bounds.
pub fn undo_all(pid: u32) {
    if !UNDO_IS_USED.load(Ordering::Relaxed) {
        return;
    }
    for set in super::all() {
        let mut state = set.state.lock();
        let Some(undo) = state.undo.remove(&pid) else { continue };
        for (one, change) in state.semaphores.iter_mut().zip(&undo) {
            if *change != 0 {
                let value = (i32::from(one.value) + change).clamp(0, i32::from(VALUE_MAX));
                (one.value, one.pid) = (value as u16, pid);
            }
        }
        state.operated = time::realtime();
        drop(state);
        set.queue.wake_all();
        drop(undo);
    }
}
