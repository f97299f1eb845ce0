//! `select` and `pselect6`, in terms of `poll`.

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{PollEntry, PollEvents};

use crate::abi::signal::MaskArgument;
use crate::abi::time::{Timespec, Timeval};
use crate::call::Call;
use crate::current;
use crate::poll;
use crate::signal::TemporaryMask;
use crate::user::UserPtr;

const WORD_BITS: usize = u64::BITS as usize;

/// What makes a descriptor ready for each of the three sets, as in Linux.
const READABLE: PollEvents = PollEvents::IN
    .union(PollEvents::RDNORM)
    .union(PollEvents::RDBAND)
    .union(PollEvents::HUP)
    .union(PollEvents::ERR);
const WRITABLE: PollEvents =
    PollEvents::OUT.union(PollEvents::WRNORM).union(PollEvents::WRBAND).union(PollEvents::ERR);
const EXCEPTIONAL: PollEvents = PollEvents::PRI;

/// `select`. The time left is written back.
pub(crate) fn select(
    call: &mut Call<'_>,
    count: i32,
    read: UserPtr<u64>,
    write: UserPtr<u64>,
    except: UserPtr<u64>,
    timeout: UserPtr<Timeval>,
) -> Result<usize> {
    let deadline = match timeout.non_null() {
        None => None,
        Some(timeout) => {
            let value = timeout.read()?;
            // More microseconds than a second has are fine here.
            let seconds = value.seconds.saturating_add(value.microseconds / 1_000_000);
            let microseconds = value.microseconds % 1_000_000;
            let length = Timeval { seconds, microseconds }.to_nanoseconds()?;
            Some(time::monotonic().saturating_add(length))
        }
    };
    let outcome = wait(call, count, [read, write, except], deadline);
    if let (Some(timeout), Some(deadline)) = (timeout.non_null(), deadline) {
        let left = deadline.saturating_sub(time::monotonic());
        // A time that cannot be written does not undo what was found.
        let _ = timeout.write(&Timeval::from_nanoseconds(left));
    }
    outcome
}

/// `pselect6`.
pub(crate) fn pselect6(
    call: &mut Call<'_>,
    count: i32,
    read: UserPtr<u64>,
    write: UserPtr<u64>,
    except: UserPtr<u64>,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<MaskArgument>,
) -> Result<usize> {
    let deadline = poll::deadline(timeout)?;
    let mask = match mask.non_null() {
        None => None,
        Some(mask) => {
            let argument = mask.read()?;
            TemporaryMask::set_from(UserPtr::new(argument.address), argument.size)?
        }
    };
    let outcome = wait(call, count, [read, write, except], deadline);
    if let (Some(timeout), Some(deadline)) = (timeout.non_null(), deadline) {
        let left = deadline.saturating_sub(time::monotonic());
        // As in `select`.
        let _ = timeout.write(&Timespec::from_nanoseconds(left));
    }
    TemporaryMask::finish(mask, outcome)
}

/// Waits for descriptors in the three sets, and writes the sets back with those that are ready.
fn wait(
    _call: &mut Call<'_>,
    count: i32,
    sets: [UserPtr<u64>; 3],
    deadline: Option<u64>,
) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    // Descriptors beyond the table's end cannot be open; Linux cuts here too.
    let count = count.min(poll::descriptor_limit());
    let words = count.div_ceil(WORD_BITS);
    let mut asked: [Vec<u64>; 3] = Default::default();
    for (set, pointer) in asked.iter_mut().zip(sets) {
        if !pointer.is_null() {
            *set = pointer.read_many(words)?;
        }
    }
    let is_in = |set: &Vec<u64>, fd: usize| {
        set.get(fd / WORD_BITS).is_some_and(|word| word & 1 << (fd % WORD_BITS) != 0)
    };
    let files = current::files()?;
    let mut wanted = Vec::new();
    let mut numbers = Vec::new();
    for fd in 0..count {
        let mut events = PollEvents::empty();
        for (set, kind) in asked.iter().zip([READABLE, WRITABLE, EXCEPTIONAL]) {
            if is_in(set, fd) {
                events |= kind;
            }
        }
        if !events.is_empty() {
            wanted.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            numbers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            wanted.push(PollEntry {
                file: Some(files.get(fd as u32)?),
                events,
                found: PollEvents::empty(),
            });
            numbers.push(fd);
        }
    }
    fs::poll_files(&mut wanted, deadline).map_err(|error| match error {
        Errno::EINTR => Errno::ERESTARTNOHAND,
        other => other,
    })?;

    let mut found = 0;
    for ((set, kind), pointer) in asked.iter_mut().zip([READABLE, WRITABLE, EXCEPTIONAL]).zip(sets)
    {
        if pointer.is_null() {
            continue;
        }
        let mut ready = Vec::new();
        ready.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
        ready.resize(words, 0u64);
        for (one, &fd) in wanted.iter().zip(&numbers) {
            if one.found.intersects(kind) && is_in(set, fd) {
                ready[fd / WORD_BITS] |= 1 << (fd % WORD_BITS);
                found += 1;
            }
        }
        *set = ready;
    }
    for (set, pointer) in asked.iter().zip(sets) {
        if !pointer.is_null() {
            for (index, word) in set.iter().enumerate() {
                pointer.at(index)?.write(word)?;
            }
        }
    }
    Ok(found)
}
