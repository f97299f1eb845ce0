//! Waits with a socket's time limit.

use errno::Errno;
use sched::WaitError;

/// What a wait that ended without success is to its caller: with a time limit it is not started again after a
/// signal, as the limit would start again too.
pub fn wait_error(error: WaitError, deadline: Option<u64>) -> Errno {
    match error {
        WaitError::TimedOut => Errno::EAGAIN,
        WaitError::Interrupted if deadline.is_some() => Errno::EINTR,
        WaitError::Interrupted => Errno::ERESTARTSYS,
    }
}
