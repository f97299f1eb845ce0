//! `signalfd`: signals as something to read.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use fs::{File, FileOperations, OpenFlags, PollEvents, PollTable, Sink};
use process::signal::{self, Details};
use process::{SigInfo, SigSet};
use sched::Sleep;

use crate::current;
use crate::user::UserPtr;

/// `sizeof(struct signalfd_siginfo)`.
const RECORD: usize = 128;
/// The flags that `signalfd4` takes.
const FLAGS: OpenFlags = OpenFlags::CLOEXEC.union(OpenFlags::NONBLOCK);

/// The open file. Whoever reads it takes its own signals, whoever has opened it.
struct SignalFd {
    /// The signals that it gives, as a [`SigSet`]'s bits.
    wanted: AtomicU64,
}

impl SignalFd {
    fn wanted(&self) -> SigSet {
        SigSet::from_bits(self.wanted.load(Ordering::Relaxed))
    }
}

impl FileOperations for SignalFd {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        if to.remaining() < RECORD {
            return Err(Errno::EINVAL);
        }
        let take = || signal::dequeue(Some(self.wanted()));
        let first = match take() {
            Some(info) => info,
            None if file.is_nonblocking() => return Err(Errno::EAGAIN),
            None => {
                let queue = current::process().signalled_queue();
                queue.wait_map(Sleep::Interruptible, None, take)?
            }
        };
        let mut done = to.put(&record(&first))?;
        while to.remaining() >= RECORD
            && let Some(info) = take()
        {
            // What cannot be handed over any more is lost, as in Linux.
            let Ok(count) = to.put(&record(&info)) else { break };
            done += count;
        }
        Ok(done)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&current::process().signalled_queue());
        let waits = !signal::all_pending().and(self.wanted()).is_empty();
        if waits { PollEvents::IN } else { PollEvents::empty() }
    }
}

/// A signal in the layout of `struct signalfd_siginfo`.
fn record(info: &SigInfo) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &info.signal.number().to_ne_bytes());
    put(4, &info.errno.to_ne_bytes());
    put(8, &info.code.to_ne_bytes());
    let mut sender = |pid: u32, uid: u32| {
        put(12, &pid.to_ne_bytes());
        put(16, &uid.to_ne_bytes());
    };
    match info.details {
        Details::None => {}
        Details::Sender { pid, uid } => sender(pid, uid),
        Details::Value { pid, uid, value } => {
            sender(pid, uid);
            put(44, &(value as u32).to_ne_bytes());
            put(48, &value.to_ne_bytes());
        }
        Details::Timer { id, overrun, value } => {
            put(24, &id.to_ne_bytes());
            put(32, &overrun.to_ne_bytes());
            put(44, &(value as u32).to_ne_bytes());
            put(48, &value.to_ne_bytes());
        }
        Details::Child { pid, uid, status, utime, stime } => {
            sender(pid, uid);
            put(40, &status.to_ne_bytes());
            put(56, &utime.to_ne_bytes());
            put(64, &stime.to_ne_bytes());
        }
        Details::Fault { address } => put(72, &(address as u64).to_ne_bytes()),
        Details::Poll { band, fd } => {
            put(20, &fd.to_ne_bytes());
            put(28, &(band as u32).to_ne_bytes());
        }
        // As `rt_sigqueueinfo` lays it out: number, user, value.
        Details::Raw { bytes } => {
            put(12, &bytes[..8]);
            put(44, &bytes[8..12]);
            put(48, &bytes[8..16]);
        }
    }
    bytes
}

/// `signalfd`.
pub(crate) fn signalfd(fd: i32, mask: UserPtr<u64>, size: usize) -> Result<usize> {
    signalfd4(fd, mask, size, 0)
}

/// `signalfd4`: opens one, or with a descriptor changes which signals that one gives.
pub(crate) fn signalfd4(fd: i32, mask: UserPtr<u64>, size: usize, flags: u32) -> Result<usize> {
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let wanted = SigSet::from_bits(mask.read()?).minus(SigSet::UNMASKABLE);
    let flags = OpenFlags::from_bits(flags).filter(|&flags| FLAGS.contains(flags));
    let flags = flags.ok_or(Errno::EINVAL)?;
    if fd == -1 {
        let new = Arc::new(SignalFd { wanted: AtomicU64::new(wanted.bits()) });
        return current::install_anonymous("signalfd", new, flags | OpenFlags::RDWR);
    }
    let file = current::file(fd)?;
    let old: &SignalFd = file.operations().downcast_ref().ok_or(Errno::EINVAL)?;
    old.wanted.store(wanted.bits(), Ordering::Relaxed);
    // Those who wait look again.
    current::process().signalled_queue().wake_all();
    Ok(fd as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use process::Signal;

    #[test]
    fn c07_fields_are_where_user_space_looks() {
        let details = Details::Child { pid: 1, uid: 2, status: 3, utime: 4, stime: 5 };
        let info = SigInfo { signal: Signal::SIGCHLD, errno: 0, code: 1, details };
        let bytes = record(&info);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([0, 8, 12, 16, 40, 56, 64].map(word), [17, 1, 1, 2, 3, 4, 5]);
    }
}
