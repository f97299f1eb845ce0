//! The open file: `/dev/watchdog` and `/dev/watchdogN`.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{DeviceNumber, File, FileOperations, OpenFlags, Sink, Source};

use crate::control;
use crate::registry;
use crate::watchdog::Watchdog;

/// Written, it allows the close that follows to stop the watchdog.
const MAGIC: u8 = b'V';

/// The one file that is open. Its end is the close.
struct WatchdogFile {
    watchdog: Arc<Watchdog>,
}

/// Opens one by its number.
pub(crate) fn open(device: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let watchdog = registry::find(device).ok_or(Errno::ENODEV)?;
    watchdog.open()?;
    Ok(Arc::new(WatchdogFile { watchdog }))
}

impl FileOperations for WatchdogFile {
    fn write(&self, _file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        let length = from.remaining();
        if length == 0 {
            return Ok(0);
        }
        let mut magic = false;
        let mut bytes = [0; 64];
        while from.remaining() > 0 {
            let piece = bytes.len().min(from.remaining());
            let taken = from.take(&mut bytes[..piece])?;
            magic |= bytes[..taken].contains(&MAGIC);
            if taken < piece {
                return Err(Errno::EFAULT);
            }
        }
        self.watchdog.write(magic)?;
        Ok(length)
    }

    fn read(&self, _file: &File, _to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        control::ioctl(&self.watchdog, command, argument)
    }
}

impl Drop for WatchdogFile {
    fn drop(&mut self) {
        self.watchdog.close();
    }
}
