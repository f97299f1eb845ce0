//! The terminal that this tool itself runs on.

use anyhow::{Context, Result};
use rustix::termios::{self, OptionalActions, Termios};
use std::io::IsTerminal;

/// Whether a person sits in front of it: both input and output are a terminal.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Rows and columns.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Shows a line on standard error, whatever mode the terminal is in.
pub(super) fn report(line: &str) {
    let before_end = if is_interactive() { "\r" } else { "" };
    tell!("{line}{before_end}");
}

/// Raw mode, for as long as this lives.
pub(super) struct RawMode {
    before: Termios,
}

/// Lets every key through to the guest, if the terminal is interactive.
pub(super) fn enter_raw_mode() -> Result<Option<RawMode>> {
    if !is_interactive() {
        return Ok(None);
    }
    let before = termios::tcgetattr(std::io::stdin()).context("reading the terminal's mode")?;
    let mut raw = before.clone();
    raw.make_raw();
    termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)
        .context("setting the terminal's mode")?;
    Ok(Some(RawMode { before }))
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone; then its mode does not matter.
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
