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
use fs::{DeviceNumber, char_device};

/// `/dev/ptmx`.
pub(crate) const PTMX: DeviceNumber = DeviceNumber::new(5, 2);
/// The major number of slaves.
const SLAVE_MAJOR: u32 = 136;
/// How many pairs there may be (Linux's default is 4096).
const MAX_PAIRS: usize = 64;

/// Says who opens the devices, and makes devpts known.
pub(crate) fn init() -> Result<()> {
    char_device::register(PTMX, "/dev/ptmx", master::open)?;
    char_device::register_range(pair::number_of(0), MAX_PAIRS as u32, "pts", pair::open_slave)?;
    fs::register_filesystem(&devpts::DEVPTS)
}
