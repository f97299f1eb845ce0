//! `futex_waitv`: waiting for any of several futexes.

use alloc::vec::Vec;

use errno::{Errno, Result};
use machine::user;
use sched::WaitError;
use time::Moment;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::key::{Key, Sharing};
use super::operation::{ANY_BIT, FUTEX_PRIVATE_FLAG, Refusal, deadline, expect};
use super::queue::Places;
use crate::abi::time::Timespec;
use crate::user::UserPtr;

const CLOCK_REALTIME: i32 = 0;
const CLOCK_MONOTONIC: i32 = 1;

/// `FUTEX_32`: the size of the word, the only one that there is.
const FUTEX_32: u32 = 2;

const FUTEX_WAITV_MAX: usize = 128;

/// `struct futex_waitv`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FutexWaitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// A futex, and what it is expected to be.
struct Expected {
    key: Key,
    address: usize,
    value: u32,
}

impl TryFrom<&FutexWaitv> for Expected {
    type Error = Errno;

    fn try_from(wanted: &FutexWaitv) -> Result<Self> {
        let sharing = match wanted.flags & FUTEX_PRIVATE_FLAG {
            0 => Sharing::AsMapped,
            _ => Sharing::Private,
        };
        let address = wanted.address as usize;
        Ok(Self { key: Key::new(address, sharing)?, address, value: wanted.value as u32 })
    }
}

/// `futex_waitv`: waits while each of the words has its value, and returns which futex was woken.
///
/// # Errors
/// EAGAIN: a word has another value. EINVAL, EFAULT, ENOMEM, ETIMEDOUT, and a restart after a
/// signal: the time-out is a point in time.
pub fn futex_waitv(
    list: UserPtr<FutexWaitv>,
    count: u32,
    flags: u32,
    timeout: UserPtr<Timespec>,
    clock: i32,
) -> Result<usize> {
    let count = count as usize;
    let list = list.non_null().ok_or(Errno::EINVAL)?;
    if flags != 0 || !(1..=FUTEX_WAITV_MAX).contains(&count) {
        return Err(Errno::EINVAL);
    }
    let deadline = match timeout.non_null() {
        None => None,
        Some(_) if ![CLOCK_REALTIME, CLOCK_MONOTONIC].contains(&clock) => {
            return Err(Errno::EINVAL);
        }
        Some(timeout) => {
            let time = timeout.read()?.to_nanoseconds()?;
            Some(deadline(time, false, clock == CLOCK_REALTIME))
        }
    };
    wait(&read(list, count)?, deadline)
}

fn read(list: UserPtr<FutexWaitv>, count: usize) -> Result<Vec<Expected>> {
    let wanted = list.read_many(count)?;
    let is_wrong =
        |one: &FutexWaitv| one.flags & !FUTEX_PRIVATE_FLAG != FUTEX_32 || one.reserved != 0;
    if wanted.iter().any(is_wrong) {
        return Err(Errno::EINVAL);
    }
    let mut words = Vec::new();
    words.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for one in &wanted {
        words.push(Expected::try_from(one)?);
    }
    Ok(words)
}

fn wait(words: &[Expected], deadline: Option<Moment>) -> Result<usize> {
    loop {
        let mut places = Places::with_room(words.len())?;
        let refused = words.iter().find_map(|word| {
            let check = || expect(word.address, word.value);
            Some((word, places.take(&word.key, ANY_BIT, check).err()?))
        });
        let Some((word, refusal)) = refused else {
            return places.wait(deadline).map_err(|error| match error {
                WaitError::TimedOut => Errno::ETIMEDOUT,
                WaitError::Interrupted => Errno::ERESTARTSYS,
            });
        };
        // Some wake-up may already have been spent on a place before this one.
        if let Some(woken) = places.leave() {
            return Ok(woken);
        }
        match refusal {
            Refusal::Error(error) => return Err(error),
            Refusal::NotPresent => {
                user::load_u32(word.address).map_err(|_| Errno::EFAULT)?;
            }
        }
    }
}
