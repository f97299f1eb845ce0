//! `/dev/kmsg`: one record a read, one record a write.

use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use fs::{
    Capabilities, DeviceNumber, File, FileOperations, OpenFlags, PollEvents, PollTable, Sink,
    Source,
};

/// The longest record that a program may write.
const MAX_WRITE: usize = 976;
/// The level of what a program writes without one (`LOG_INFO`: Linux's default is a warning; its
/// own `KERN` facility is not for programs).
const DEFAULT_LEVEL: u8 = 6;

/// Opens the device. Reading needs `CAP_SYSLOG`.
pub(crate) fn open(_device: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    if flags.readable() {
        process::credentials().require(Capabilities::SYSLOG)?;
    }
    Ok(Arc::new(Reader { next: AtomicU64::new(klog::first_sequence()) }))
}

struct Reader {
    /// The record to be read next.
    next: AtomicU64,
}

impl FileOperations for Reader {
    /// Gives a record as `level,number,microseconds,-;text`. EPIPE: records were overwritten before
    /// they were read; the next read goes on with the oldest.
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        let next = self.next.load(Ordering::Relaxed);
        crate::wait_for_news(next, file.is_nonblocking())?;
        let record = klog::read(next).ok_or(Errno::EAGAIN)?;
        if record.sequence != next {
            self.next.store(record.sequence, Ordering::Relaxed);
            return Err(Errno::EPIPE);
        }
        let line = format!(
            "{},{},{},-;{}\n",
            record.level,
            record.sequence,
            record.time / 1000,
            record.text.as_str()
        );
        if line.len() > to.remaining() {
            return Err(Errno::EINVAL);
        }
        let moved = to.put(line.as_bytes())?;
        self.next.store(next + 1, Ordering::Relaxed);
        Ok(moved)
    }

    fn write(&self, _file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        let length = from.remaining();
        if length > MAX_WRITE {
            return Err(Errno::EINVAL);
        }
        let mut buffer = [0; MAX_WRITE];
        let taken = from.take(&mut buffer[..length])?;
        let (level, text) = split_level(&buffer[..taken]);
        for chunk in text.utf8_chunks() {
            klog::write_record(level, format_args!("{}", chunk.valid()));
        }
        Ok(taken)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        crate::poll_for_news(self.next.load(Ordering::Relaxed), table) | PollEvents::WRITABLE
    }
}

/// Takes `<level>` off the front; its lower three bits are the level, the others a facility.
fn split_level(text: &[u8]) -> (u8, &[u8]) {
    let parsed = text.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(4).position(|&byte| byte == b'>')?;
        let number: u8 = core::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        Some((number & 7, &rest[end + 1..]))
    });
    parsed.unwrap_or((DEFAULT_LEVEL, text))
}

#[cfg(test)]
mod tests {
    use super::split_level;

    #[test]
    fn a_level_is_taken_off_the_front() {
        assert_eq!(split_level(b"<3>bad"), (3, &b"bad"[..]));
        assert_eq!(split_level(b"<30>daemon"), (6, &b"daemon"[..]));
        assert_eq!(split_level(b"plain"), (6, &b"plain"[..]));
        assert_eq!(split_level(b"<x>y"), (6, &b"<x>y"[..]));
    }
}
