//! The guest's console, on its way to standard output.

use super::terminal;
use anyhow::{Context, Result};
use std::io::Write;

/// What `/init` writes when it has set the console up. Anything before it comes from firmware or kernel.
const READY: &[u8] = b"\x1eready\x1e";

/// Passes bytes on, from the ready mark on if there will be one.
pub struct Output {
    state: State,
}

enum State {
    /// Waiting for the mark; with what came so far.
    Waiting(Vec<u8>),
    Open,
}

impl Output {
    /// `marked`: the ready mark will come.
    pub fn new(marked: bool) -> Self {
        let state = match marked {
            true => State::Waiting(Vec::new()),
            false => State::Open,
        };
        Self { state }
    }

    /// Whether the guest is ready for input.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Takes bytes from the console.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let passed = self.pass(bytes);
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&passed).and_then(|()| stdout.flush()).context("standard output")
    }

    /// What of these bytes, and of those before, is to be passed on.
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let State::Waiting(held) = &mut self.state else {
            return bytes.to_vec();
        };
        held.extend_from_slice(bytes);
        let Some(mark) = held.windows(READY.len()).position(|window| window == READY) else {
            return Vec::new();
        };
        let passed = held.split_off(mark + READY.len());
        self.state = State::Open;
        passed
    }

    /// Shows what was held back if the mark never came: it may tell why.
    pub fn show_held_back(&self) {
        if let State::Waiting(held) = &self.state {
            for line in String::from_utf8_lossy(held).lines() {
                terminal::report(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_before_the_mark_is_passed() {
        let mut output = Output::new(true);
        assert_eq!(output.pass(b"firmware\x1erea"), b"");
        assert!(!output.is_ready());
        assert_eq!(output.pass(b"dy\x1eone"), b"one");
        assert!(output.is_ready());
        assert_eq!(output.pass(b"two\x1eready\x1e"), b"two\x1eready\x1e");
    }

    #[test]
    fn without_a_mark_everything_is_passed() {
        let mut output = Output::new(false);
        assert!(output.is_ready());
        assert_eq!(output.pass(b"all"), b"all");
    }
}
