//! The character devices: `/dev/tty`, `/dev/console`, `/dev/ttyS0`.

use alloc::sync::Arc;

use device::Builder;
use errno::{Errno, Result};
use fs::{DeviceNumber, FileOperations, OpenFlags, char_device};
use kernfs::Attribute;

use crate::console::{self, SERIAL};
use crate::file::TerminalFile;
use crate::{job, pty};

/// `/dev/tty`: the caller's controlling terminal.
const TTY: DeviceNumber = DeviceNumber::new(5, 0);
/// `/dev/console`: the kernel's.
const CONSOLE: DeviceNumber = DeviceNumber::new(5, 1);

/// The class of all of them.
const CLASS: &str = "tty";

/// Makes the terminals and adds their devices. Once, after `device::init`.
///
/// # Errors
/// ENOMEM; EBUSY: called twice. As making a kernel thread.
pub fn init() -> Result<()> {
    console::init()?;
    char_device::register(TTY, "/dev/tty", open_own)?;
    char_device::register(CONSOLE, "/dev/console", open_console)?;
    char_device::register(SERIAL, "ttyS", open_serial)?;
    add(Builder::new(CLASS, "tty").number(TTY).mode(0o666))?;
    // Where programs look up which terminal is the console.
    let active = Attribute::shown(|text| text.push(b"ttyS0\n"));
    add(Builder::new(CLASS, "console").number(CONSOLE).attribute("active", active))?;
    add(Builder::new(CLASS, "ttyS0").number(SERIAL).parent("platform/serial8250"))?;
    pty::init()?;
    add(Builder::new(CLASS, "ptmx").number(pty::PTMX).mode(0o666))
}

/// A terminal's device stays for ever.
fn add(device: Builder) -> Result<()> {
    device.add().map(drop)
}

fn open_own(_device: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let tty = job::caller_terminal().ok_or(Errno::ENXIO)?;
    Ok(TerminalFile::open(&tty)?)
}

fn open_console(_device: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    Ok(TerminalFile::open_console(console::console().ok_or(Errno::ENODEV)?)?)
}

fn open_serial(_device: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
    let tty = console::console().ok_or(Errno::ENXIO)?;
    let file = TerminalFile::open(tty)?;
    if !flags.contains(OpenFlags::NOCTTY) && flags.readable() {
        tty.acquire_at_open();
    }
    Ok(file)
}
