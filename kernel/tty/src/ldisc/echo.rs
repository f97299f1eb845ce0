//! Echo: what typing shows on the screen.

use alloc::collections::VecDeque;

use super::LineDiscipline;
use crate::termios::{InputFlags, LocalFlags};

/// How much echo waits at most while output is held; what comes then is not shown.
const CAPACITY: usize = 4096;

/// Echo that has been processed for output and waits to be sent.
#[derive(Debug)]
pub(super) struct EchoQueue {
    bytes: VecDeque<u8>,
}

impl EchoQueue {
    pub(super) fn new() -> Option<Self> {
        let mut bytes = VecDeque::new();
        bytes.try_reserve_exact(CAPACITY).ok()?;
        Some(Self { bytes })
    }

    fn push(&mut self, piece: &[u8]) {
        if self.bytes.len() + piece.len() <= CAPACITY {
            self.bytes.extend(piece);
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn drain(&mut self, mut sink: impl FnMut(&[u8]) -> usize) {
        while !self.bytes.is_empty() {
            let taken = sink(self.bytes.as_slices().0);
            if taken == 0 {
                return;
            }
            self.bytes.drain(..taken);
        }
    }
}

/// Whether a byte is an ASCII control character, as `iscntrl` says.
pub(super) fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

impl LineDiscipline {
    /// Whether the byte is inside a UTF-8 character, not its first.
    pub(super) fn is_continuation(&self, byte: u8) -> bool {
        self.termios.input.contains(InputFlags::IUTF8) && byte & 0xc0 == 0x80
    }

    /// Echoes a byte as it is, apart from output processing.
    pub(super) fn echo_raw(&mut self, byte: u8) {
        let Self { termios, echo, column, .. } = self;
        column.put(termios, byte, |piece| echo.push(piece));
    }

    /// Echoes a byte; a control character as `^X` if that is wanted.
    pub(super) fn echo_char(&mut self, byte: u8) {
        if self.has(LocalFlags::ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.echo_raw(b'^');
            self.echo_raw(byte ^ 0x40);
        } else {
            self.echo_raw(byte);
        }
    }

    /// Echoes a byte that joins the input; a newline moves the cursor.
    pub(super) fn echo_input(&mut self, byte: u8) {
        if byte != b'\n' {
            self.echo_literal(byte);
        } else if self.has(LocalFlags::ECHO) {
            self.end_erasing();
            self.echo_raw(byte);
        }
    }

    /// Echoes a byte that joins the input; a newline is a control character like any other.
    pub(super) fn echo_literal(&mut self, byte: u8) {
        if !self.has(LocalFlags::ECHO) {
            return;
        }
        self.end_erasing();
        if self.queue.line_is_empty() {
            self.column.mark_line_start();
        }
        self.echo_char(byte);
    }

    /// Closes a run of characters printed backwards.
    pub(super) fn end_erasing(&mut self) {
        if core::mem::replace(&mut self.erasing, false) {
            self.echo_raw(b'/');
        }
    }

    /// Wipes one column left of the cursor.
    pub(super) fn echo_wipe(&mut self) {
        for byte in *b"\x08 \x08" {
            self.echo_raw(byte);
        }
    }

    /// Moves the cursor back over a tab that was just erased: to where the text before it ends.
    pub(super) fn echo_wipe_tab(&mut self) {
        let mut width = 0;
        let mut after_tab = false;
        for byte in self.queue.line().rev() {
            if byte == b'\t' {
                after_tab = true;
                break;
            } else if is_control(byte) {
                width += if self.has(LocalFlags::ECHOCTL) { 2 } else { 0 };
            } else if !self.is_continuation(byte) {
                width += 1;
            }
        }
        if !after_tab {
            width += self.column.line_start();
        }
        for _ in 0..8 - (width & 7) {
            self.column.step_back();
            self.echo.push(b"\x08");
        }
    }
}
