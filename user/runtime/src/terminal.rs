//! Terminal settings.

use crate::error::{Result, check};
use crate::sys::{self, number};

/// Terminal settings as the kernel keeps them (`struct termios`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// Input: what becomes of bytes that come in.
    pub input: u32,
    /// Output: what becomes of bytes that go out.
    pub output: u32,
    /// The line: speed and frame.
    pub control: u32,
    /// Local: echo, signals, line editing.
    pub local: u32,
    /// The line discipline.
    pub discipline: u8,
    /// The control characters, each 0 for none.
    pub characters: [u8; 19],
}

/// `input`: carriage return becomes newline.
pub const ICRNL: u32 = 0o400;
/// `input`: ^S and ^Q stop and start output.
pub const IXON: u32 = 0o2000;
/// `output`: any processing at all.
pub const OPOST: u32 = 0o1;
/// `local`: characters make signals.
pub const ISIG: u32 = 0o1;
/// `local`: what is typed is shown.
pub const ECHO: u32 = 0o10;
/// `characters`: end of file.
pub const VEOF: usize = 4;
/// `characters`: the next character stands for itself.
pub const VLNEXT: usize = 15;

const TCGETS: usize = 0x5401;
const TCSETS: usize = 0x5402;
const TCSBRK: usize = 0x5409;
const TIOCSCTTY: usize = 0x540e;
const TIOCSWINSZ: usize = 0x5414;

/// The settings of a terminal.
pub fn settings(descriptor: i32) -> Result<Settings> {
    let mut settings = Settings::default();
    control(descriptor, TCGETS, &raw mut settings as usize)?;
    Ok(settings)
}

/// Changes the settings of a terminal at once.
pub fn set(descriptor: i32, settings: &Settings) -> Result<()> {
    control(descriptor, TCSETS, &raw const *settings as usize)
}

/// Makes a terminal the controlling one of the session that this process leads.
pub fn take_control(descriptor: i32) -> Result<()> {
    control(descriptor, TIOCSCTTY, 0)
}

/// Tells a terminal its size.
pub fn set_size(descriptor: i32, rows: u16, columns: u16) -> Result<()> {
    let size = [rows, columns, 0, 0];
    control(descriptor, TIOCSWINSZ, &raw const size as usize)
}

fn control(descriptor: i32, request: usize, argument: usize) -> Result<()> {
    // SAFETY: each request above reads or writes the one object that its caller passes.
    check(unsafe { sys::call(number::IOCTL, [descriptor as usize, request, argument, 0, 0, 0]) })
        .map(drop)
}

/// Waits until everything written has left.
pub fn drain(descriptor: i32) -> Result<()> {
    control(descriptor, TCSBRK, 1)
}
