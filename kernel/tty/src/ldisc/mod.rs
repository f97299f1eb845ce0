//! The line discipline (`N_TTY`): what is made of bytes between a terminal and its programs.
//!
//! Pure logic without a lock, a task or a device, so that a table of key strokes can test it:
//!
//! ```text
//!   keyboard ──receive()──> signals, flow control ──> line under edit ──finished──> lines ──read()──> program
//!                                    │ echo                                (raw: every byte at once)
//!                                    v
//!   screen <──take_echo()─── echo queue
//!   screen <──────────────── output processing <──────────────────────────process()─── program
//! ```
//!
//! The caller serialises the calls. It passes the echo on as soon as the output is not held.

mod echo;
mod input;
mod output;
mod queue;
#[cfg(test)]
mod tests;

use bitflags::bitflags;

use crate::termios::{InputFlags, LocalFlags, Special, Termios};
use echo::EchoQueue;
pub use output::OutputColumn;
use queue::InputQueue;

/// With flow control on input, the sender is stopped when less room than this is left, and started
/// again when no more than this waits to be read.
const THROTTLE_MARGIN: usize = 128;

bitflags! {
    /// What the caller has to do after bytes were received.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Effects: u8 {
        /// Send SIGINT to the foreground process group.
        const INTERRUPT = 1 << 0;
        /// Send SIGQUIT to it.
        const QUIT = 1 << 1;
        /// Send SIGTSTP to it.
        const SUSPEND = 1 << 2;
        /// Wake the readers.
        const READABLE = 1 << 3;
        /// Output is not held any more: wake the writers.
        const STARTED = 1 << 4;
        /// Throw away output that the device has not sent yet.
        const FLUSH_OUTPUT = 1 << 5;
    }
}

/// The state of one terminal's line discipline.
#[derive(Debug)]
pub struct LineDiscipline {
    termios: Termios,
    queue: InputQueue,
    echo: EchoQueue,
    column: OutputColumn,
    /// The literal-next character has been typed, and its object has not.
    literal_next: bool,
    /// Erased characters are being printed backwards, and the closing `/` is still to come.
    erasing: bool,
    /// Output is held.
    stopped: bool,
    /// The sender has been sent the stop character.
    throttled: bool,
}

impl LineDiscipline {
    /// With these settings and empty queues; none if there is no memory for them.
    pub fn new(termios: Termios) -> Option<Self> {
        Some(Self {
            termios,
            queue: InputQueue::new()?,
            echo: EchoQueue::new()?,
            column: OutputColumn::default(),
            literal_next: false,
            erasing: false,
            stopped: false,
            throttled: false,
        })
    }

    /// The settings.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings. Input that waits is kept: bytes received raw become one finished line
    /// when lines are turned on, and an unfinished line becomes readable when they are turned off.
    pub fn set_termios(&mut self, termios: Termios) -> Effects {
        let mode = LocalFlags::ICANON | LocalFlags::EXTPROC;
        let changed = (self.termios.local ^ termios.local).intersects(mode);
        let held_by_key = self.termios.input.contains(InputFlags::IXON);
        self.termios = termios;
        let mut effects = Effects::empty();
        if changed {
            self.queue.finish_all(self.canonical());
            self.literal_next = false;
            self.erasing = false;
            effects |= Effects::READABLE;
        }
        if held_by_key && !termios.input.contains(InputFlags::IXON) && self.stopped {
            // The key that would release the output has lost its meaning.
            effects |= self.start();
        }
        effects
    }

    fn canonical(&self) -> bool {
        self.has(LocalFlags::ICANON)
    }

    fn has(&self, flag: LocalFlags) -> bool {
        self.termios.local.contains(flag)
    }

    /// Whether output is held.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Holds the output.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Releases the output.
    pub fn start(&mut self) -> Effects {
        if core::mem::replace(&mut self.stopped, false) {
            Effects::STARTED
        } else {
            Effects::empty()
        }
    }

    /// Bytes that a reader could get at once, as FIONREAD counts them.
    pub fn readable_bytes(&self) -> usize {
        if self.canonical() { self.queue.finished_bytes() } else { self.queue.len() }
    }

    /// Whether a read that wants at least `minimum` bytes would find them: in canonical mode, a
    /// line.
    pub fn is_readable(&self, minimum: usize) -> bool {
        if self.canonical() { self.queue.has_line() } else { self.queue.len() >= minimum.max(1) }
    }

    /// How many bytes must be there before `poll` calls a terminal readable.
    pub fn poll_minimum(&self) -> usize {
        match self.termios.character(Special::Time) {
            0 => usize::from(self.termios.character(Special::Minimum)).max(1),
            _ => 1,
        }
    }

    /// Takes input: in canonical mode up to the end of a line, otherwise what is there. None if
    /// nothing can be read; `Some(0)` is an end of file.
    pub fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !self.is_readable(1) {
            return None;
        }
        Some(if self.canonical() {
            self.queue.read_line(buffer)
        } else {
            self.queue.read_raw(buffer)
        })
    }

    /// Whether [`receive`](Self::receive) would take a byte now.
    pub fn has_room(&self) -> bool {
        self.queue.room() > 0 || self.canonical() && !self.queue.has_line()
    }

    /// Throws away what waits to be read.
    pub fn flush_input(&mut self) {
        self.queue.clear();
        self.literal_next = false;
        self.erasing = false;
    }

    /// Throws away the echo that waits.
    pub fn flush_echo(&mut self) {
        self.echo.clear();
    }

    /// Moves waiting echo to `sink` as far as that takes it (it returns how many bytes it took);
    /// nothing while output is held.
    pub fn take_echo(&mut self, sink: impl FnMut(&[u8]) -> usize) {
        if !self.stopped {
            self.echo.drain(sink);
        }
    }

    /// Whether echo waits for the output to be released or for room.
    pub fn has_echo(&self) -> bool {
        !self.echo.is_empty()
    }

    /// Makes a program's bytes into what is sent, appending to `out` while that is shorter than
    /// `limit`; returns how many bytes of `bytes` are done. `out` may end up a few bytes longer
    /// than `limit`.
    pub fn process(&mut self, bytes: &[u8], out: &mut alloc::vec::Vec<u8>, limit: usize) -> usize {
        let mut done = 0;
        while done < bytes.len() && out.len() < limit {
            self.column.put(&self.termios, bytes[done], |piece| out.extend_from_slice(piece));
            done += 1;
        }
        done
    }

    /// The character to send to the other side now, if the input queue has filled up or drained
    /// since the last call and flow control on input is on.
    pub fn flow_character(&mut self) -> Option<u8> {
        if !self.termios.input.contains(InputFlags::IXOFF) {
            return None;
        }
        let wanted = if self.throttled {
            self.queue.len() > THROTTLE_MARGIN
        } else {
            self.queue.room() < THROTTLE_MARGIN
        };
        if wanted == self.throttled {
            return None;
        }
        self.throttled = wanted;
        let special = if wanted { Special::Stop } else { Special::Start };
        Some(self.termios.character(special)).filter(|&character| character != 0)
    }
}
