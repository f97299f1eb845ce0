//! Input: flow control, signals, and the editing of lines.

use super::echo::is_control;
use super::{Effects, LineDiscipline};
use crate::termios::{InputFlags, LocalFlags, Special};

/// How much an editing key takes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Character,
    Word,
    Line,
}

impl LineDiscipline {
    /// Takes bytes from the keyboard (or the master side), tells what is to be done, and returns
    /// how many it took: fewer than given if the queue is full of finished input. What is left is
    /// offered again when somebody has read.
    pub fn receive(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.has_room() {
            self.receive_one(bytes[taken], effects);
            taken += 1;
        }
        taken
    }

    fn receive_one(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.takes(InputFlags::ISTRIP) {
            byte &= 0x7f;
        }
        if self.takes(InputFlags::IUCLC) && self.has(LocalFlags::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if self.has(LocalFlags::EXTPROC) {
            self.store(byte, effects);
        } else if core::mem::replace(&mut self.literal_next, false) {
            self.echo_literal(byte);
            self.insert(byte, effects);
        } else if !self.flow_key(byte, effects) && !self.signal_key(byte, effects) {
            self.restart_by_any_key(effects);
            if let Some(byte) = self.translate(byte)
                && !(self.canonical() && self.editing_key(byte, effects))
            {
                self.echo_input(byte);
                self.insert(byte, effects);
            }
        }
    }

    fn takes(&self, flag: InputFlags) -> bool {
        self.termios.input.contains(flag)
    }

    /// The start and stop keys.
    fn flow_key(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.takes(InputFlags::IXON) {
            return false;
        }
        if self.termios.is(byte, Special::Start) {
            *effects |= self.start();
        } else if self.termios.is(byte, Special::Stop) {
            self.stop();
        } else {
            return false;
        }
        true
    }

    /// The keys that send signals. Unless told not to, they also throw away what waits in both
    /// directions.
    fn signal_key(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.has(LocalFlags::ISIG) {
            return false;
        }
        let signal = if self.termios.is(byte, Special::Interrupt) {
            Effects::INTERRUPT
        } else if self.termios.is(byte, Special::Quit) {
            Effects::QUIT
        } else if self.termios.is(byte, Special::Suspend) {
            Effects::SUSPEND
        } else {
            return false;
        };
        *effects |= signal;
        if !self.has(LocalFlags::NOFLSH) {
            self.flush_input();
            self.flush_echo();
            *effects |= Effects::FLUSH_OUTPUT;
        }
        if self.takes(InputFlags::IXON) {
            *effects |= self.start();
        }
        if self.has(LocalFlags::ECHO) {
            self.echo_char(byte);
        }
        true
    }

    fn restart_by_any_key(&mut self, effects: &mut Effects) {
        if self.stopped && self.takes(InputFlags::IXON) && self.takes(InputFlags::IXANY) {
            *effects |= self.start();
        }
    }

    /// Carriage returns and newlines as the settings want them; none: dropped.
    fn translate(&self, byte: u8) -> Option<u8> {
        match byte {
            b'\r' if self.takes(InputFlags::IGNCR) => None,
            b'\r' if self.takes(InputFlags::ICRNL) => Some(b'\n'),
            b'\n' if self.takes(InputFlags::INLCR) => Some(b'\r'),
            _ => Some(byte),
        }
    }

    /// The keys that edit or end a line.
    fn editing_key(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let extended = self.has(LocalFlags::IEXTEN);
        let termios = self.termios;
        if termios.is(byte, Special::Erase) {
            self.erase(byte, Reach::Character);
        } else if termios.is(byte, Special::Kill) {
            self.kill(byte);
        } else if extended && termios.is(byte, Special::WordErase) {
            self.erase(byte, Reach::Word);
        } else if extended && termios.is(byte, Special::LiteralNext) {
            self.begin_literal();
        } else if extended && self.has(LocalFlags::ECHO) && termios.is(byte, Special::Reprint) {
            self.reprint(byte);
        } else if byte == b'\n' {
            if self.has(LocalFlags::ECHO) || self.has(LocalFlags::ECHONL) {
                self.end_erasing();
                self.echo_raw(byte);
            }
            self.end_line(byte, effects);
        } else if termios.is(byte, Special::EndOfFile) {
            self.queue.push_end_of_file();
            *effects |= Effects::READABLE;
        } else if termios.is(byte, Special::EndOfLine)
            || extended && termios.is(byte, Special::EndOfLine2)
        {
            self.echo_input(byte);
            self.end_line(byte, effects);
        } else {
            return false;
        }
        true
    }

    fn end_line(&mut self, byte: u8, effects: &mut Effects) {
        self.double_mark(byte);
        self.queue.push_line_end(byte);
        *effects |= Effects::READABLE;
    }

    /// An ordinary character, whose echo is done.
    fn insert(&mut self, byte: u8, effects: &mut Effects) {
        self.double_mark(byte);
        self.store(byte, effects);
    }

    fn store(&mut self, byte: u8, effects: &mut Effects) {
        self.queue.push(byte);
        if !self.canonical() {
            *effects |= Effects::READABLE;
        }
    }

    /// With parity marks on, 0xff begins a mark; the byte itself is told from one by being doubled.
    fn double_mark(&mut self, byte: u8) {
        if byte == 0xff && self.takes(InputFlags::PARMRK) && !self.takes(InputFlags::ISTRIP) {
            self.queue.push(byte);
        }
    }

    fn begin_literal(&mut self) {
        self.literal_next = true;
        if self.has(LocalFlags::ECHO) {
            self.end_erasing();
            if self.has(LocalFlags::ECHOCTL) {
                // Stands there until the literal character is typed over it.
                self.echo_raw(b'^');
                self.echo_raw(b'\x08');
            }
        }
    }

    fn reprint(&mut self, byte: u8) {
        self.end_erasing();
        self.echo_char(byte);
        self.echo_raw(b'\n');
        for index in 0..self.queue.line_len() {
            if let Some(byte) = self.queue.line_byte(index) {
                self.echo_char(byte);
            }
        }
    }

    fn kill(&mut self, byte: u8) {
        if self.queue.line_is_empty() {
            return;
        }
        let wiping = LocalFlags::ECHOK | LocalFlags::ECHOKE | LocalFlags::ECHOE;
        if self.has(LocalFlags::ECHO) && self.has(wiping) {
            self.erase(byte, Reach::Line);
            return;
        }
        self.queue.drop_line();
        if self.has(LocalFlags::ECHO) {
            self.end_erasing();
            self.echo_char(byte);
            if self.has(LocalFlags::ECHOK) {
                self.echo_raw(b'\n');
            }
        }
    }

    /// Takes back a character, a word or the line, and wipes what was echoed for it.
    fn erase(&mut self, key: u8, reach: Reach) {
        let mut in_word = false;
        while let Some(length) = self.last_character() {
            let start = self.queue.line_len() - length;
            let first = self.queue.line_byte(start).unwrap_or_default();
            if reach == Reach::Word {
                // A word is letters, digits and underscores; what stands behind it goes with it.
                if first.is_ascii_alphanumeric() || first == b'_' {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            if self.has(LocalFlags::ECHO) && self.has(LocalFlags::ECHOPRT) {
                self.print_backwards(start);
            }
            for _ in 0..length {
                self.queue.pop();
            }
            if self.has(LocalFlags::ECHO) && !self.has(LocalFlags::ECHOPRT) {
                self.wipe(first, key, reach);
            }
            if reach == Reach::Character {
                break;
            }
        }
        if self.queue.line_is_empty() && self.has(LocalFlags::ECHO) {
            self.end_erasing();
        }
    }

    /// The bytes of the newest character of the line under edit; none if there is no whole one.
    fn last_character(&self) -> Option<usize> {
        let inside = self.queue.line().rev().take_while(|&byte| self.is_continuation(byte)).count();
        (inside < self.queue.line_len()).then_some(inside + 1)
    }

    /// Removes an erased character from the screen.
    fn wipe(&mut self, first: u8, key: u8, reach: Reach) {
        let shows_control = self.has(LocalFlags::ECHOCTL);
        if reach == Reach::Character && !self.has(LocalFlags::ECHOE) {
            self.echo_char(key);
        } else if first == b'\t' {
            self.echo_wipe_tab();
        } else if !is_control(first) {
            self.echo_wipe();
        } else if shows_control {
            self.echo_wipe();
            self.echo_wipe();
        }
    }

    /// As on paper: shows an erased character once more, between `\` and `/`.
    fn print_backwards(&mut self, start: usize) {
        if !core::mem::replace(&mut self.erasing, true) {
            self.echo_raw(b'\\');
        }
        for index in start..self.queue.line_len() {
            if let Some(byte) = self.queue.line_byte(index) {
                if index == start { self.echo_char(byte) } else { self.echo_raw(byte) }
            }
        }
    }
}
