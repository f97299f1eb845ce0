//! The guest's console, on its way to standard output.

use super::terminal;
use anyhow::{Context, Result};
use std::io::Write;

/// What `/init` writes when it has set the console up. Anything before it comes from firmware or kernel.
const READY: &[u8] = b"\x1eready\x1e";

/// Finds the ready mark and drops what is before it.
pub(crate) struct Marked {
    /// What came so far, until the mark has come.
    held: Option<Vec<u8>>,
}

impl Marked {
    /// A console on which the mark will come.
    pub(crate) fn new() -> Self {
        Self { held: Some(Vec::new()) }
    }

    /// A console of a guest that sets no mark.
    pub(crate) fn without_mark() -> Self {
        Self { held: None }
    }

    /// Whether the guest is ready for input.
    pub(crate) fn is_ready(&self) -> bool {
        self.held.is_none()
    }

    /// What came if the mark never did: it may tell why.
    pub(crate) fn held_back(&self) -> &[u8] {
        self.held.as_deref().unwrap_or_default()
    }

    /// What of these bytes, and of those before, is to be passed on.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(held) = &mut self.held else {
            return bytes.to_vec();
        };
        held.extend_from_slice(bytes);
        let Some(mark) = held.windows(READY.len()).position(|window| window == READY) else {
            return Vec::new();
        };
        let passed = held.split_off(mark + READY.len());
        self.held = None;
        passed
    }
}

/// Passes the console on to standard output.
pub(crate) struct Output {
    console: Marked,
}

impl Output {
    /// `marked`: the ready mark will come.
    pub(crate) fn new(marked: bool) -> Self {
        let console = if marked { Marked::new() } else { Marked::without_mark() };
        Self { console }
    }

    /// Whether the guest is ready for input.
    pub(crate) fn is_ready(&self) -> bool {
        self.console.is_ready()
    }

    /// Takes bytes from the console.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let passed = self.console.pass(bytes);
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&passed).and_then(|()| stdout.flush()).context("standard output")
    }

    /// Shows what was held back if the mark never came: it may tell why.
    pub(crate) fn show_held_back(&self) {
        for line in String::from_utf8_lossy(self.console.held_back()).lines() {
            terminal::report(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_before_the_mark_is_passed() {
        let mut output = Marked::new();
        assert_eq!(output.pass(b"firmware\x1erea"), b"");
        assert!(!output.is_ready());
        assert_eq!(output.pass(b"dy\x1eone"), b"one");
        assert!(output.is_ready());
        assert_eq!(output.pass(b"two\x1eready\x1e"), b"two\x1eready\x1e");
    }

    #[test]
    fn without_a_mark_everything_is_passed() {
        let mut output = Marked::without_mark();
        assert!(output.is_ready());
        assert_eq!(output.pass(b"all"), b"all");
    }
}
