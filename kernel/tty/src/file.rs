//! Open files on terminals.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{File, FileOperations, PollEvents, PollTable, Sink, Source};

use crate::control;
use crate::tty::Tty;

/// A file that is open on a terminal.
pub struct TerminalFile {
    tty: Arc<Tty>,
    /// How often the terminal had been hung up when it was opened. None for `/dev/console`, which
    /// outlives that.
    hangups: Option<u32>,
}

impl TerminalFile {
    /// Opens a terminal.
    ///
    /// # Errors
    /// EBUSY: somebody has it for themselves. EIO: a pseudo terminal whose other side is gone.
    pub(crate) fn open(tty: &Arc<Tty>) -> Result<Arc<Self>> {
        Self::open_as(tty, Some(tty.hangups()))
    }

    /// Opens the terminal that is the system's console: such a file is not subject to job control
    /// and survives hang-ups.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_console(tty: &Arc<Tty>) -> Result<Arc<Self>> {
        Self::open_as(tty, None)
    }

    fn open_as(tty: &Arc<Tty>, hangups: Option<u32>) -> Result<Arc<Self>> {
        if !tty.driver().is_connected() {
            return Err(Errno::EIO);
        }
        {
            let mut state = tty.state();
            if state.exclusive && !crate::job::caller_is_privileged() {
                return Err(Errno::EBUSY);
            }
            state.opens += 1;
        }
        Ok(Arc::new(Self { tty: tty.clone(), hangups }))
    }

    /// Whether the terminal was hung up since the file was opened. Does not sleep.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hangups.is_some_and(|hangups| hangups != self.tty.hangups())
    }

    /// Whether background processes are kept from using it.
    pub(crate) fn obeys_job_control(&self) -> bool {
        self.hangups.is_some()
    }
}

impl FileOperations for TerminalFile {
    fn read(&self, file: &File, to: &mut dyn Sink, _position: &mut u64) -> Result<usize> {
        self.tty.read(self, file.is_nonblocking(), to)
    }

    fn write(&self, file: &File, from: &mut dyn Source, _position: &mut u64) -> Result<usize> {
        self.tty.write(self, file.is_nonblocking(), from)
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn poll(&self, _file: &File, table: &mut PollTable<'_>) -> PollEvents {
        table.add(&self.tty.readers);
        table.add(&self.tty.writers);
        let gone = self.is_hung_up() || !self.tty.driver().is_connected();
        if gone {
            return PollEvents::ALWAYS_READY | PollEvents::HUP | PollEvents::ERR;
        }
        let mut events = PollEvents::empty();
        let readable = {
            let state = self.tty.state();
            state.ldisc.is_readable(state.ldisc.poll_minimum())
        };
        if readable {
            events |= PollEvents::READABLE;
        }
        if self.tty.can_output() {
            events |= PollEvents::WRITABLE;
        }
        events
    }

    fn ioctl(&self, file: &File, command: u32, argument: usize) -> Result<usize> {
        if self.is_hung_up() {
            let job_control = command == control::TIOCSPGRP;
            return Err(if job_control { Errno::ENOTTY } else { Errno::EIO });
        }
        control::ioctl(&self.tty, control::Side::Terminal(file), command, argument)
    }
}

impl Drop for TerminalFile {
    fn drop(&mut self) {
        let last = {
            let mut state = self.tty.state();
            state.opens -= 1;
            if state.opens == 0 {
                state.exclusive = false;
            }
            state.opens == 0
        };
        if last {
            self.tty.driver().closed();
        }
    }
}
