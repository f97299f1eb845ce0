//! The `futex` system call.

use errno::{Errno, Result};
use machine::{Fault, user};
use sched::WaitError;
use time::Moment;

use super::key::{Key, Sharing};
use super::pi;
use super::queue::{self, Place};
use crate::abi::time::Timespec;
use crate::call::{Call, Restart};
use crate::user::UserPtr;

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_REQUEUE: u32 = 3;
const FUTEX_CMP_REQUEUE: u32 = 4;
const FUTEX_WAKE_OP: u32 = 5;
const FUTEX_LOCK_PI: u32 = 6;
const FUTEX_UNLOCK_PI: u32 = 7;
const FUTEX_TRYLOCK_PI: u32 = 8;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_WAIT_REQUEUE_PI: u32 = 11;
const FUTEX_CMP_REQUEUE_PI: u32 = 12;
const FUTEX_LOCK_PI2: u32 = 13;

pub(super) const FUTEX_PRIVATE_FLAG: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;

pub(super) const ANY_BIT: u32 = u32::MAX;

/// A wait, as it is begun and, after a signal, gone on with.
#[derive(Clone, Copy, Debug)]
pub struct FutexWait {
    address: usize,
    sharing: Sharing,
    value: u32,
    bitset: u32,
    deadline: Option<Moment>,
}

/// `futex`.
pub fn futex(
    call: &mut Call<'_>,
    address: usize,
    operation: u32,
    value: u32,
    timeout: UserPtr<Timespec>,
    second: usize,
    third: u32,
) -> Result<usize> {
    let sharing =
        if operation & FUTEX_PRIVATE_FLAG != 0 { Sharing::Private } else { Sharing::AsMapped };
    let realtime = operation & FUTEX_CLOCK_REALTIME != 0;
    let command = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let may_be_a_date = [FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2];
    if realtime && !may_be_a_date.contains(&command) {
        return Err(Errno::ENOSYS);
    }
    let moment = || -> Result<Option<Moment>> {
        match timeout.non_null() {
            None => Ok(None),
            Some(timeout) => {
                let time = timeout.read()?.to_nanoseconds()?;
                let is_date = realtime || command == FUTEX_LOCK_PI;
                Ok(Some(deadline(time, command == FUTEX_WAIT, is_date)))
            }
        }
    };
    // Where there is no time-out, its place holds a second number.
    let second_count = timeout.address() as u32;
    match command {
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            let bitset = if command == FUTEX_WAIT { ANY_BIT } else { third };
            if bitset == 0 {
                return Err(Errno::EINVAL);
            }
            wait(call, FutexWait { address, sharing, value, bitset, deadline: moment()? })
        }
        FUTEX_WAKE => wake(address, sharing, value, ANY_BIT),
        FUTEX_WAKE_BITSET => wake(address, sharing, value, third),
        FUTEX_REQUEUE => requeue(address, second, sharing, value, second_count, None),
        FUTEX_CMP_REQUEUE => requeue(address, second, sharing, value, second_count, Some(third)),
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 => pi::lock(address, sharing, moment()?),
        FUTEX_TRYLOCK_PI => pi::try_lock(address, sharing),
        FUTEX_UNLOCK_PI => pi::unlock(address, sharing),
        FUTEX_WAIT_REQUEUE_PI => pi::wait_to_be_moved(address, second, sharing, value, moment()?),
        FUTEX_CMP_REQUEUE_PI => {
            pi::move_waiters(address, second, sharing, value, second_count, third)
        }
        FUTEX_WAKE_OP => wake_op(address, second, sharing, value, second_count, third),
        _ => Err(Errno::ENOSYS),
    }
}

/// When a time-out is up.
pub(super) fn deadline(time: u64, relative: bool, realtime: bool) -> Moment {
    if relative {
        Moment::Elapsed(time::monotonic().saturating_add(time))
    } else if realtime {
        Moment::Date(time)
    } else {
        Moment::Elapsed(time)
    }
}

/// Why a look at the word with the bucket locked did not end in a place on the queue.
pub(super) enum Refusal {
    /// The page is not there: to be brought in without the lock.
    NotPresent,
    /// The call fails with this.
    Error(Errno),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::Error(error)
    }
}

/// Runs `attempt`, and brings the word's page in whenever that is what it lacks.
pub(super) fn with_page<T>(
    address: usize,
    mut attempt: impl FnMut() -> Result<T, Refusal>,
) -> Result<T> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::NotPresent) => {
                user::load_u32(address).map_err(|_| Errno::EFAULT)?;
            }
        }
    }
}

/// What `check` of the queue does: the word must have this value.
pub(super) fn expect(address: usize, value: u32) -> Result<(), Refusal> {
    match user::load_u32(address) {
        Ok(found) if found == value => Ok(()),
        Ok(_) => Err(Refusal::Error(Errno::EAGAIN)),
        Err(Fault) => Err(Refusal::NotPresent),
    }
}

/// Waits while the word has the value.
///
/// # Errors
/// EAGAIN: it has another one. ETIMEDOUT, EFAULT, ENOMEM, and a restart after a signal.
pub fn wait(call: &mut Call<'_>, wait: FutexWait) -> Result<usize> {
    let key = Key::new(wait.address, wait.sharing)?;
    let place = with_page(wait.address, || {
        Place::take(&key, wait.bitset, || expect(wait.address, wait.value))
    })?;
    match place.wait(wait.deadline) {
        Ok(()) => Ok(0),
        Err(WaitError::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitError::Interrupted) if wait.deadline.is_none() => Err(Errno::ERESTARTSYS),
        // A second run of the call would wait for the whole time again.
        Err(WaitError::Interrupted) => Err(call.restart_with(Restart::Futex(wait))),
    }
}

fn wake(address: usize, sharing: Sharing, count: u32, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::EINVAL);
    }
    // Linux wakes one where it is told to wake none.
    let count = (count as i32).max(1) as usize;
    queue::wake(&Key::new(address, sharing)?, count, bitset)
}

/// Wakes one waiter of an address, for the kernel's own use (a thread's end).
pub fn wake_address(address: usize) {
    // An address that is no futex has no waiters.
    let woken = Key::new(address, Sharing::AsMapped).and_then(|key| queue::wake(&key, 1, ANY_BIT));
    // Nor has one with an owner any who wait to be woken.
    let _ = woken;
}

fn requeue(
    from: usize,
    to: usize,
    sharing: Sharing,
    wake: u32,
    move_: u32,
    expected: Option<u32>,
) -> Result<usize> {
    let count = |number: u32| usize::try_from(number as i32).map_err(|_| Errno::EINVAL);
    let (wake, move_) = (count(wake)?, count(move_)?);
    let (from_key, to_key) = (Key::new(from, sharing)?, Key::new(to, sharing)?);
    let (woken, moved) = with_page(from, || {
        queue::requeue(&from_key, &to_key, wake, move_, || {
            expected.map_or(Ok(()), |value| expect(from, value))
        })
    })?;
    Ok(if expected.is_some() { woken + moved } else { woken })
}

/// Changes the second word, wakes waiters of the first, and waiters of the second if its old value
/// compares as asked.
///
/// The change needs no lock: who looks at the word later sees the new value, and who waits already
/// is found by the wake-ups, which come after.
fn wake_op(
    first: usize,
    second: usize,
    sharing: Sharing,
    wake_first: u32,
    wake_second: u32,
    encoded: u32,
) -> Result<usize> {
    let (first_key, second_key) = (Key::new(first, sharing)?, Key::new(second, sharing)?);
    let operation = WordOperation::decode(encoded)?;
    let old = exchange(second, |old| operation.apply(old))?;
    let count = |number: u32| (number as i32).max(1) as usize;
    let mut woken = queue::wake(&first_key, count(wake_first), ANY_BIT)?;
    if operation.compares(old) {
        woken += queue::wake(&second_key, count(wake_second), ANY_BIT)?;
    }
    Ok(woken)
}

/// Replaces the word by what `change` makes of it, in one step; returns what it was.
pub(super) fn exchange(address: usize, change: impl Fn(u32) -> u32) -> Result<u32> {
    let mut old = user::load_u32(address).map_err(|_| Errno::EFAULT)?;
    loop {
        match user::compare_exchange_u32(address, old, change(old)) {
            Ok(found) if found == old => return Ok(old),
            Ok(found) => old = found,
            Err(Fault) => return Err(Errno::EFAULT),
        }
    }
}

/// The fourth number of `FUTEX_WAKE_OP`: 4 bits operation, 4 bits comparison, 12 bits for each
/// operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WordOperation {
    operation: u32,
    operand: u32,
    comparison: u32,
    compared: i32,
}

impl WordOperation {
    const OPERAND_IS_SHIFT: u32 = 8;

    fn decode(encoded: u32) -> Result<Self> {
        // Both operands are signed.
        let signed = |bits: u32| ((bits << 20) as i32) >> 20;
        let mut operand = signed(encoded >> 12) as u32;
        if (encoded >> 28) & Self::OPERAND_IS_SHIFT != 0 {
            operand = 1 << (operand & 31);
        }
        let decoded = Self {
            operation: (encoded >> 28) & 7,
            operand,
            comparison: (encoded >> 24) & 15,
            compared: signed(encoded),
        };
        if decoded.operation > 4 || decoded.comparison > 5 {
            return Err(Errno::ENOSYS);
        }
        Ok(decoded)
    }

    fn apply(self, old: u32) -> u32 {
        match self.operation {
            0 => self.operand,
            1 => old.wrapping_add(self.operand),
            2 => old | self.operand,
            3 => old & !self.operand,
            _ => old ^ self.operand,
        }
    }

    fn compares(self, old: u32) -> bool {
        let old = old as i32;
        match self.comparison {
            0 => old == self.compared,
            1 => old != self.compared,
            2 => old < self.compared,
            3 => old <= self.compared,
            4 => old > self.compared,
            _ => old >= self.compared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_wake_op_is_decoded_as_c_libraries_encode_it() {
        // FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 1): what pthread_cond_signal used.
        let set = WordOperation::decode(4 << 24 | 1).unwrap();
        assert_eq!(set.apply(77), 0);
        assert!(set.compares(2) && !set.compares(1));
        // Negative operands, and an operand that is a shift.
        let add = WordOperation::decode(1 << 28 | 2 << 24 | 0xfff << 12 | 0xffe).unwrap();
        assert_eq!(add.apply(5), 4);
        assert!(add.compares(-3i32 as u32) && !add.compares(-2i32 as u32));
        let or = WordOperation::decode((8 | 2) << 28 | 35 << 12).unwrap();
        assert_eq!(or.apply(0), 8);
        assert_eq!(WordOperation::decode(5 << 28), Err(Errno::ENOSYS));
        assert_eq!(WordOperation::decode(6 << 24), Err(Errno::ENOSYS));
    }
}
