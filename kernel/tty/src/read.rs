//! Programs reading from a terminal.

use errno::{Errno, Result};
use fs::Sink;
use process::Signal;
use sched::{Sleep, WaitError};

use crate::file::TerminalFile;
use crate::ldisc::LineDiscipline;
use crate::termios::{LocalFlags, Special};
use crate::tty::Tty;

/// The most bytes that are moved at once: all that can wait.
const LARGEST: usize = 4096;
/// Nanoseconds in a unit of `VTIME`.
const DECISECOND: u64 = time::SECOND / 10;

/// How a read in the current mode ends.
#[derive(Clone, Copy)]
struct Patience {
    /// As soon as so many bytes have been read.
    minimum: usize,
    /// Wait so long for the next byte, or, with `from_start`, for the first.
    time: Option<u64>,
    from_start: bool,
}

impl Patience {
    fn of(ldisc: &LineDiscipline) -> Self {
        let termios = ldisc.termios();
        if termios.local.contains(LocalFlags::ICANON) {
            return Self { minimum: 1, time: None, from_start: false };
        }
        let minimum = usize::from(termios.character(Special::Minimum));
        let time = u64::from(termios.character(Special::Time)) * DECISECOND;
        if minimum == 0 {
            Self { minimum: 1, time: Some(time), from_start: true }
        } else {
            Self { minimum, time: (time > 0).then_some(time), from_start: false }
        }
    }
}

/// How a wait for input ended.
enum Waited {
    Ready,
    HungUp,
    TimeUp,
}

impl Tty {
    /// Reads what the line discipline has, waiting as the mode says. A hung-up terminal is at its
    /// end.
    ///
    /// # Errors
    /// EAGAIN, ERESTARTSYS; EIO: a background process that may not be stopped. EFAULT.
    pub(crate) fn read(
        &self,
        file: &TerminalFile,
        nonblocking: bool,
        to: &mut dyn Sink,
    ) -> Result<usize> {
        if file.is_hung_up() {
            return Ok(0);
        }
        if file.obeys_job_control() {
            self.check_foreground(Signal::SIGTTIN)?;
        }
        let mut buffer = if nonblocking {
            self.reading.try_lock().ok_or(Errno::EAGAIN)?
        } else {
            self.reading.lock_interruptible()?
        };
        let patience = Patience::of(&self.state().ldisc);
        let mut deadline = patience
            .time
            .filter(|_| patience.from_start)
            .map(|time| time::monotonic().saturating_add(time));
        let mut total = 0;
        while to.remaining() > 0 {
            let length = to.remaining().min(LARGEST);
            buffer.clear();
            buffer.try_reserve(length).map_err(|_| Errno::ENOMEM)?;
            buffer.resize(length, 0);
            let Some(taken) = self.take_input(&mut buffer) else {
                match self.wait_for_input(file, nonblocking, deadline) {
                    Ok(Waited::Ready) => continue,
                    Ok(Waited::HungUp | Waited::TimeUp) => break,
                    Err(_) if total > 0 => break,
                    Err(error) => return Err(error),
                }
            };
            if taken == 0 {
                break;
            }
            match to.put(&buffer[..taken]) {
                Ok(moved) => total += moved,
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            }
            if total >= patience.minimum {
                break;
            }
            deadline = patience.time.map(|time| time::monotonic().saturating_add(time));
        }
        Ok(total)
    }

    /// Takes input, and lets the sender know that there is room.
    fn take_input(&self, buffer: &mut [u8]) -> Option<usize> {
        let taken = self.state().ldisc.read(buffer)?;
        self.flow_control();
        self.driver().input_wanted();
        Some(taken)
    }

    fn wait_for_input(
        &self,
        file: &TerminalFile,
        nonblocking: bool,
        deadline: Option<u64>,
    ) -> Result<Waited> {
        let look = || {
            if self.state().ldisc.is_readable(1) {
                Some(Waited::Ready)
            } else if file.is_hung_up() || !self.driver().is_connected() {
                Some(Waited::HungUp)
            } else {
                None
            }
        };
        if let Some(waited) = look() {
            return Ok(waited);
        }
        if deadline.is_some_and(|deadline| deadline <= time::monotonic()) {
            return Ok(Waited::TimeUp);
        }
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        match self.readers.wait_map(Sleep::Interruptible, deadline, look) {
            Ok(waited) => Ok(waited),
            Err(WaitError::TimedOut) => Ok(Waited::TimeUp),
            Err(WaitError::Interrupted) => Err(Errno::ERESTARTSYS),
        }
    }
}
