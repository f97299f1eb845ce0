//! Output processing, and the column that the cursor is in.

use super::echo::is_control;
use crate::termios::{InputFlags, OutputFlags, Termios};

/// The columns of a tab stop.
const TAB: usize = 8;

/// Where the cursor is: tabs are turned into spaces, and erased, by it.
#[derive(Debug, Default)]
pub struct OutputColumn {
    /// The cursor's column, from 0.
    column: usize,
    /// The column where the line under edit begins (behind a prompt).
    line_start: usize,
}

impl OutputColumn {
    /// The column where the line under edit began to be echoed.
    pub(super) fn line_start(&self) -> usize {
        self.line_start
    }

    /// The line under edit begins here.
    pub(super) fn mark_line_start(&mut self) {
        self.line_start = self.column;
    }

    /// The cursor was moved one to the left past output processing.
    pub(super) fn step_back(&mut self) {
        self.column = self.column.saturating_sub(1);
    }

    fn carriage_return(&mut self) {
        self.column = 0;
        self.line_start = 0;
    }

    /// Processes one byte; `emit` gets what is to be sent, in at most one piece.
    pub(super) fn put(&mut self, termios: &Termios, byte: u8, mut emit: impl FnMut(&[u8])) {
        let flags = termios.output;
        if !flags.contains(OutputFlags::OPOST) {
            emit(&[byte]);
            return;
        }
        match byte {
            b'\n' => {
                if flags.contains(OutputFlags::ONLRET) {
                    self.column = 0;
                }
                if flags.contains(OutputFlags::ONLCR) {
                    self.carriage_return();
                    emit(b"\r\n");
                } else {
                    self.line_start = self.column;
                    emit(b"\n");
                }
            }
            b'\r' if flags.contains(OutputFlags::ONOCR) && self.column == 0 => {}
            b'\r' if flags.contains(OutputFlags::OCRNL) => {
                if flags.contains(OutputFlags::ONLRET) {
                    self.carriage_return();
                }
                emit(b"\n");
            }
            b'\r' => {
                self.carriage_return();
                emit(b"\r");
            }
            b'\t' => {
                let width = TAB - self.column % TAB;
                self.column += width;
                if flags.contains(OutputFlags::XTABS) {
                    emit(&b"        "[..width]);
                } else {
                    emit(b"\t");
                }
            }
            b'\x08' => {
                self.step_back();
                emit(b"\x08");
            }
            _ if is_control(byte) => emit(&[byte]),
            _ => {
                let inside = termios.input.contains(InputFlags::IUTF8) && byte & 0xc0 == 0x80;
                if !inside {
                    self.column += 1;
                }
                let upper = flags.contains(OutputFlags::OLCUC);
                emit(&[if upper { byte.to_ascii_uppercase() } else { byte }]);
            }
        }
    }
}
