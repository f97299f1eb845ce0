//! Programs writing to a terminal.

use errno::{Errno, Result};
use fs::Source;
use process::Signal;
use sched::Sleep;

use crate::file::TerminalFile;
use crate::termios::LocalFlags;
use crate::tty::Tty;

/// Bytes taken from the program at once.
const CHUNK: usize = 2048;

impl Tty {
    /// Writes all of `from`, waiting while output is held or the other side does not read. One
    /// write's bytes are not mixed with another's.
    ///
    /// # Errors
    /// EIO: hung up, nobody on the other side, or a background process that may not be stopped.
    /// EAGAIN, ERESTARTSYS, EFAULT: before the first byte was written.
    pub(crate) fn write(
        &self,
        file: &TerminalFile,
        nonblocking: bool,
        from: &mut dyn Source,
    ) -> Result<usize> {
        if file.is_hung_up() {
            return Err(Errno::EIO);
        }
        if file.obeys_job_control() {
            let stops = self.state().ldisc.termios().local.contains(LocalFlags::TOSTOP);
            if stops {
                self.check_foreground(Signal::SIGTTOU)?;
            }
        }
        let mut buffer = if nonblocking {
            self.writing.try_lock().ok_or(Errno::EAGAIN)?
        } else {
            self.writing.lock_interruptible()?
        };
        let mut total = 0;
        while from.remaining() > 0 {
            let length = from.remaining().min(CHUNK);
            buffer.clear();
            buffer.try_reserve(length).map_err(|_| Errno::ENOMEM)?;
            buffer.resize(length, 0);
            let taken = match from.take(&mut buffer) {
                Ok(taken) => taken,
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            };
            let (done, outcome) = self.write_chunk(file, nonblocking, &buffer[..taken]);
            total += done;
            match outcome {
                Ok(()) if taken == length => {}
                Ok(()) => break,
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Writes a chunk, and returns how much of it was done and why it was not all.
    fn write_chunk(
        &self,
        file: &TerminalFile,
        nonblocking: bool,
        chunk: &[u8],
    ) -> (usize, Result<()>) {
        let mut done = 0;
        while done < chunk.len() {
            if file.is_hung_up() || !self.driver().is_connected() {
                return (done, Err(Errno::EIO));
            }
            let step = self.output_step(&chunk[done..]);
            done += step;
            if step > 0 {
                continue;
            }
            if nonblocking {
                return (done, Err(Errno::EAGAIN));
            }
            let waited = self.writers.wait_map(Sleep::Interruptible, None, || {
                let gone = file.is_hung_up() || !self.driver().is_connected();
                (gone || self.can_output()).then_some(())
            });
            if let Err(error) = waited {
                return (done, Err(error.into()));
            }
        }
        (done, Ok(()))
    }
}
