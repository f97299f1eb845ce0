//! The master side.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{DeviceNumber, File, FileOperations, OpenFlags, PollEvents, PollTable, Sink, Source};
use process::Signal;
use sched::{Mutex, Sleep};
use sync::LockClass;

use super::devpts;
use super::pair::Pair;
use crate::control::{self, Side};
use crate::tty::Tty;

/// Outside all locks of the terminal.
static WRITING_LOCK: LockClass = LockClass::new("pty.writing");

/// Bytes that go through the kernel stack at once.
const PIECE: usize = 256;

const FIONREAD: u32 = 0x541b;
const TIOCGPTN: u32 = 0x8004_5430;
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGPTLCK: u32 = 0x8004_5439;
const TIOCSIG: u32 = 0x4004_5436;

/// An open master. Closing it hangs the slave up.
struct Master {
    pair: Arc<Pair>,
    tty: Arc<Tty>,
    writing: Mutex<()>,
}

/// Opens `/dev/ptmx`: makes a new pair.
pub(super) fn open(_device: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let (pair, tty) = Pair::new(devpts::owner_for_caller())?;
    Ok(Arc::new(Master { pair, tty, writing: Mutex::new(&WRITING_LOCK, ()) }))
}

impl Master {
    /// Waits for output of the slave, or for its end; EIO is the end.
    fn wait_for_output(&self, nonblocking: bool) -> Result<()> {
        let look = || {
            // In this order: what was written before the end is read before it is told.
            let closed = self.pair.is_slave_closed();
            if self.pair.has_output() { Some(Ok(())) } else { closed.then_some(Err(Errno::EIO)) }
        };
        match look() {
            Some(found) => found,
            None if nonblocking => Err(Errno::EAGAIN),
            None => self.pair.readable.wait_map(Sleep::Interruptible, None, look)?,
        }
    }
}

impl FileOperations for Master {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        if to.remaining() == 0 {
            return Ok(0);
        }
        self.wait_for_output(file.is_nonblocking())?;
        let mut total = 0;
        let mut buffer = [0; PIECE];
        while to.remaining() > 0 {
            let piece = PIECE.min(to.remaining());
            let count = self.pair.take_output(&mut buffer[..piece]);
            if count == 0 {
                break;
            }
            match to.put(&buffer[..count]) {
                Ok(moved) => total += moved,
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        self.tty.output_room_made();
        Ok(total)
    }

    fn write(&self, file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        let _one_at_a_time = self.writing.lock_interruptible()?;
        let mut total = 0;
        let mut buffer = [0; PIECE];
        while from.remaining() > 0 {
            if !self.tty.has_input_room() {
                if file.is_nonblocking() {
                    return if total > 0 { Ok(total) } else { Err(Errno::EAGAIN) };
                }
                let waited = self.pair.writable.wait_map(Sleep::Interruptible, None, || {
                    self.tty.has_input_room().then_some(())
                });
                match waited {
                    Ok(()) => {}
                    Err(_) if total > 0 => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let piece = PIECE.min(from.remaining());
            let count = match from.take(&mut buffer[..piece]) {
                Ok(count) => count,
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            };
            let mut done = 0;
            while done < count {
                let taken = self.tty.receive(&buffer[done..count]);
                done += taken;
                if taken > 0 {
                    continue;
                }
                if file.is_nonblocking() {
                    return Ok(total + done);
                }
                let waited = self.pair.writable.wait_map(Sleep::Interruptible, None, || {
                    self.tty.has_input_room().then_some(())
                });
                if waited.is_err() {
                    return Ok(total + done);
                }
            }
            total += done;
        }
        Ok(total)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.pair.readable);
        table.add(&self.pair.writable);
        let mut events = PollEvents::empty();
        if self.pair.has_output() {
            events |= PollEvents::READABLE;
        }
        if self.pair.is_slave_closed() {
            events |= PollEvents::HUP | PollEvents::READABLE;
        }
        if self.tty.has_input_room() {
            events |= PollEvents::WRITABLE;
        }
        events
    }

    fn ioctl(&self, _file: &File, command: u32, argument: usize) -> Result<usize> {
        match command {
            TIOCGPTN => control::put(argument, &(self.pair.index() as u32).to_ne_bytes())?,
            TIOCSPTLCK => {
                self.pair.set_locked(i32::from_ne_bytes(control::get(argument)?) != 0);
            }
            TIOCGPTLCK => {
                control::put(argument, &i32::from(self.pair.is_locked()).to_ne_bytes())?;
            }
            TIOCSIG => {
                let allowed = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP];
                let signal = u32::try_from(argument).ok().and_then(Signal::from_number);
                let signal = signal.filter(|signal| allowed.contains(signal));
                self.tty.signal_foreground(signal.ok_or(Errno::EINVAL)?);
            }
            FIONREAD => control::put_count(argument, self.pair.output_bytes())?,
            _ => return control::ioctl(&self.tty, Side::Master, command, argument),
        }
        Ok(0)
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.pair.close_master(&self.tty);
    }
}
