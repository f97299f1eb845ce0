//! Standard input, on its way to the guest's console.
//!
//! A person's keys go through as they are, but for the one combination that leaves. A file's bytes go through a
//! terminal in canonical mode, which keeps three habits that have to be worked around: its end-of-file
//! character, its quoting character, and the limited length of a line.

use super::terminal;
use crate::machine::vm::{Leaver, Vm};
use anyhow::Result;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

const END_OF_FILE: u8 = 0x04;
const QUOTE: u8 = 0x16;

/// Ctrl-A, after which x leaves and Ctrl-A sends Ctrl-A.
const ESCAPE: u8 = 0x01;

/// A terminal's line may have 4095 bytes; stay well below.
const LINE_MAX: usize = 1024;

/// How often a reader that comes back for more is told that there is no more.
const END_AGAIN: Duration = Duration::from_millis(250);

/// Forwards input, once started.
pub(super) struct Input {
    console: UnixStream,
    leaver: Leaver,
}

impl Input {
    /// Does nothing yet.
    pub(super) fn new(vm: &Vm) -> Result<Self> {
        Ok(Self { console: vm.console().try_clone()?, leaver: vm.leaver() })
    }

    /// Starts to forward, on a thread of its own that ends with the machine or the process.
    pub(super) fn start(mut self) {
        thread::spawn(move || {
            // An error means that the machine is gone.
            let _ = match terminal::is_interactive() {
                true => self.forward_keys(),
                false => self.forward_file(),
            };
        });
    }

    fn forward_keys(&mut self) -> std::io::Result<()> {
        let mut keys = Keys::default();
        let mut buffer = [0; 1024];
        loop {
            let count = std::io::stdin().read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            let (bytes, leave) = keys.take(&buffer[..count]);
            if leave {
                self.leaver.leave();
                return Ok(());
            }
            self.console.write_all(&bytes)?;
        }
    }

    fn forward_file(&mut self) -> std::io::Result<()> {
        let mut line = Line::default();
        let mut buffer = [0; 4096];
        loop {
            let count = std::io::stdin().read(&mut buffer)?;
            if count == 0 {
                break;
            }
            self.console.write_all(&line.quote(&buffer[..count]))?;
        }
        self.console.write_all(line.finish())?;
        loop {
            thread::sleep(END_AGAIN);
            self.console.write_all(&[END_OF_FILE])?;
        }
    }
}

/// Finds the combination that leaves.
#[derive(Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// What to pass on, and whether to leave.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match (std::mem::take(&mut self.escaped), byte) {
                (true, b'x' | b'X') => return (passed, true),
                (true, byte) => passed.push(byte),
                (false, ESCAPE) => self.escaped = true,
                (false, byte) => passed.push(byte),
            }
        }
        (passed, false)
    }
}

/// Makes bytes pass a terminal in canonical mode unchanged.
#[derive(Default)]
struct Line {
    length: usize,
}

impl Line {
    fn quote(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut quoted = Vec::with_capacity(bytes.len() + bytes.len() / LINE_MAX + 1);
        for &byte in bytes {
            if matches!(byte, END_OF_FILE | QUOTE) {
                quoted.push(QUOTE);
            }
            quoted.push(byte);
            self.length += 1;
            if byte == b'\n' {
                self.length = 0;
            } else if self.length == LINE_MAX {
                // In the middle of a line, this hands the line over and is not the end of the file.
                quoted.push(END_OF_FILE);
                self.length = 0;
            }
        }
        quoted
    }

    /// What tells the reader that this was all: once to hand over a line without newline, once for the end.
    fn finish(&self) -> &'static [u8] {
        match self.length {
            0 => &[END_OF_FILE],
            _ => &[END_OF_FILE, END_OF_FILE],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_leave() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"a\x01"), (b"a".to_vec(), false));
        assert_eq!(keys.take(b"\x01b\x01x"), (b"\x01b".to_vec(), true));
    }

    #[test]
    fn special_characters_are_quoted() {
        let mut line = Line::default();
        assert_eq!(line.quote(b"a\x04\x16\n"), b"a\x16\x04\x16\x16\n");
        assert_eq!(line.finish(), b"\x04");
        assert_eq!(line.quote(b"b"), b"b");
        assert_eq!(line.finish(), b"\x04\x04");
    }

    #[test]
    fn long_lines_are_handed_over_in_parts() {
        let mut line = Line::default();
        let quoted = line.quote(&[b'x'; LINE_MAX + 1]);
        assert_eq!(quoted.len(), LINE_MAX + 2);
        assert_eq!(quoted[LINE_MAX], END_OF_FILE);
    }
}
