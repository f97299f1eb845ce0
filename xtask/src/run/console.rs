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

/// Tells what comes before some bytes from what comes after them.
#[derive(Default)]
pub(crate) struct Divided {
    /// None: everything comes before.
    divider: Option<Vec<u8>>,
    /// Bytes with which the divider may begin; after it, everything.
    held: Vec<u8>,
    passed: bool,
}

impl Divided {
    /// Nothing has come.
    pub(crate) fn new(divider: Option<&[u8]>) -> Self {
        Self { divider: divider.map(<[u8]>::to_vec), ..Self::default() }
    }

    /// What of these bytes, and of those that were held, comes before.
    pub(crate) fn pass(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(divider) = &self.divider else { return bytes };
        self.held.extend(bytes);
        if self.passed {
            return Vec::new();
        }
        if let Some(place) = self.held.windows(divider.len()).position(|window| window == divider) {
            self.passed = true;
            let rest = self.held.split_off(place + divider.len());
            let mut before = std::mem::replace(&mut self.held, rest);
            before.truncate(place);
            return before;
        }
        let begun =
            (1..divider.len()).rev().find(|&length| self.held.ends_with(&divider[..length]));
        let rest = self.held.split_off(self.held.len() - begun.unwrap_or(0));
        std::mem::replace(&mut self.held, rest)
    }

    /// What came after; nothing if the divider never came.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        if self.passed { self.held } else { Vec::new() }
    }
}

/// Passes the console on to standard output.
pub(crate) struct Output {
    console: Marked,
    divided: Divided,
}

impl Output {
    /// `marked`: the ready mark will come. `divider`: what comes after it is not for standard output.
    pub(crate) fn new(marked: bool, divider: Option<&[u8]>) -> Self {
        let console = if marked { Marked::new() } else { Marked::without_mark() };
        Self { console, divided: Divided::new(divider) }
    }

    /// What was not for standard output.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.divided.into_rest()
    }

    /// Whether the guest is ready for input.
    pub(crate) fn is_ready(&self) -> bool {
        self.console.is_ready()
    }

    /// Takes bytes from the console.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let passed = self.divided.pass(self.console.pass(bytes));
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
    fn r04_a_divider_may_come_in_pieces() {
        let mut divided = Divided::new(Some(b"#trace#"));
        let mut before = Vec::new();
        for piece in [&b"one #tr"[..], b"ee #", b"tra", b"ce#two", b"#trace#"] {
            before.extend(divided.pass(piece.to_vec()));
        }
        assert_eq!((&*before, &*divided.into_rest()), (&b"one #tree "[..], &b"two#trace#"[..]));
        let mut divided = Divided::new(Some(b"#trace#"));
        assert_eq!(divided.pass(b"all#".to_vec()), b"all");
        assert_eq!(divided.into_rest(), b"");
    }

    #[test]
    fn without_a_mark_everything_is_passed() {
        let mut output = Marked::without_mark();
        assert!(output.is_ready());
        assert_eq!(output.pass(b"all"), b"all");
    }
}
