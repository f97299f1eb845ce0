//! The character devices: `/dev/tty`, `/dev/console`, `/dev/ttyS0`.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{DeviceNumber, FileOperations, OpenFlags, char_device, devtmpfs};

use crate::class;
use crate::console::{self, SERIAL};
use crate::file::TerminalFile;
use crate::{job, pty};

/// `/dev/tty`: the caller's controlling terminal.
const TTY: DeviceNumber = DeviceNumber::new(5, 0);
/// `/dev/console`: the kernel's.
const CONSOLE: DeviceNumber = DeviceNumber::new(5, 1);

/// Makes the terminals, their devices and their nodes in devtmpfs. Once, when kernel threads can be
/// made.
///
/// # Errors
/// ENOMEM; EBUSY: called twice. As making a kernel thread.
pub fn init() -> Result<()> {
    console::init()?;
    char_device::register(TTY, "/dev/tty", open_own)?;
    char_device::register(CONSOLE, "/dev/console", open_console)?;
    char_device::register(SERIAL, "ttyS", open_serial)?;
    devtmpfs::create_node(b"tty", TTY, 0o666)?;
    devtmpfs::create_node(b"console", CONSOLE, 0o600)?;
    devtmpfs::create_node(b"ttyS0", SERIAL, 0o660)?;
    class::register("ttyS0", SERIAL)?;
    pty::init()
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
