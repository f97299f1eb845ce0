//! `poll` and `ppoll`, and what other calls share with them.

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{PollEntry, PollEvents};
use process::Resource;
use time::MILLISECOND;

use crate::abi::file::PollFd;
use crate::abi::time::Timespec;
use crate::call::{Call, Restart};
use crate::current;
use crate::signal::TemporaryMask;
use crate::user::UserPtr;

/// A `poll` as it is begun and, after a signal, gone on with.
#[derive(Clone, Debug)]
pub struct PollWait {
    descriptors: UserPtr<PollFd>,
    count: usize,
    /// A time of the monotonic clock.
    deadline: Option<u64>,
}

/// A time-out as a time of the monotonic clock; a null pointer is none.
///
/// # Errors
/// EFAULT, EINVAL.
pub(crate) fn deadline(timeout: UserPtr<Timespec>) -> Result<Option<u64>> {
    match timeout.non_null() {
        None => Ok(None),
        Some(timeout) => Ok(Some(deadline_after(timeout.read()?.to_nanoseconds()?))),
    }
}

/// A time-out in milliseconds as a time of the monotonic clock; a negative one is none.
pub(crate) fn deadline_of_milliseconds(timeout: i32) -> Option<u64> {
    let milliseconds = u64::try_from(timeout).ok()?;
    Some(deadline_after(milliseconds * MILLISECOND))
}

/// `poll_files` takes 0 for "only look".
fn deadline_after(length: u64) -> u64 {
    if length == 0 { 0 } else { time::monotonic().saturating_add(length) }
}

/// No open descriptor is this or above.
pub(crate) fn descriptor_limit() -> usize {
    let limit = current::process().limit(Resource::Files).soft;
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// `poll`.
pub(crate) fn poll(
    call: &mut Call<'_>,
    descriptors: UserPtr<PollFd>,
    count: u32,
    timeout: i32,
) -> Result<usize> {
    let deadline = deadline_of_milliseconds(timeout);
    wait(call, PollWait { descriptors, count: count as usize, deadline })
}

/// `ppoll`. The time left is written back.
pub(crate) fn ppoll(
    _call: &mut Call<'_>,
    descriptors: UserPtr<PollFd>,
    count: u32,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<u64>,
    size: usize,
) -> Result<usize> {
    let deadline = deadline(timeout)?;
    let mask = TemporaryMask::set_from(mask, size)?;
    let outcome = ask(descriptors, count as usize, deadline).map_err(|error| match error {
        Errno::EINTR => Errno::ERESTARTNOHAND,
        other => other,
    });
    if let (Some(timeout), Some(deadline)) = (timeout.non_null(), deadline) {
        let left = deadline.saturating_sub(time::monotonic());
        // A time that cannot be written does not undo what was found.
        let _ = timeout.write(&Timespec::from_nanoseconds(left));
    }
    TemporaryMask::finish(mask, outcome)
}

/// Waits as `poll` does.
///
/// # Errors
/// EINVAL, EFAULT, ENOMEM, and a restart after a signal.
pub(crate) fn wait(call: &mut Call<'_>, wait: PollWait) -> Result<usize> {
    match ask(wait.descriptors, wait.count, wait.deadline) {
        Err(Errno::EINTR) => Err(call.restart_with(Restart::Poll(wait))),
        outcome => outcome,
    }
}

fn ask(descriptors: UserPtr<PollFd>, count: usize, deadline: Option<u64>) -> Result<usize> {
    if count > descriptor_limit() {
        return Err(Errno::EINVAL);
    }
    let mut asked = descriptors.read_many(count)?;
    let files = current::files()?;
    let mut entries = Vec::new();
    entries.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    // A negative descriptor is passed over.
    for one in asked.iter().filter(|one| one.fd >= 0) {
        entries.push(PollEntry {
            file: files.get(one.fd as u32).ok(),
            events: PollEvents::from_bits_truncate(u32::from(one.events as u16)),
            found: PollEvents::empty(),
        });
    }
    let ready = fs::poll_files(&mut entries, deadline)?;
    let mut answers = entries.iter();
    for (index, one) in asked.iter_mut().enumerate() {
        let found = if one.fd < 0 { None } else { answers.next().map(|entry| entry.found.bits()) };
        one.returned = found.unwrap_or(0) as i16;
        descriptors.at(index)?.write(one)?;
    }
    Ok(ready)
}
