//! Pseudo terminals: a terminal whose other side is a program.
//!
//! ```text
//!   open /dev/ptmx ──> pair N, the master; the slave is /dev/pts/N, locked until TIOCSPTLCK
//!   master write ──> line discipline ──> slave read
//!   slave write  ──> output processing ──> master read
//!   master closed ──> the slave is hung up      slave closed ──> the master reads what is left, then EIO
//! ```

mod devpts;
mod master;
mod pair;

use errno::Result;
use fs::{DeviceNumber, char_device, devtmpfs};

/// `/dev/ptmx`.
const PTMX: DeviceNumber = DeviceNumber::new(5, 2);
/// The major number of slaves.
const SLAVE_MAJOR: u32 = 136;
/// How many pairs there may be (Linux's default is 4096; each is a device number here).
const MAX_PAIRS: usize = 64;

/// Makes the devices, and devpts.
pub(crate) fn init() -> Result<()> {
    char_device::register(PTMX, "/dev/ptmx", master::open)?;
    devtmpfs::create_node(b"ptmx", PTMX, 0o666)?;
    devtmpfs::create_directory(b"pts")?;
    for index in 0..MAX_PAIRS {
        char_device::register(pair::number_of(index), "pts", pair::open_slave)?;
    }
    fs::register_filesystem(&devpts::DEVPTS)
}
