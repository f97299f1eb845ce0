//! `/proc/sys/vm`.

use core::fmt::Write;

use errno::Result;

use super::{Sysctl, register_sysctl};

pub(super) fn register() -> Result<()> {
    // Memory is promised without counting, and no address is special but page 0.
    for (path, value) in [("vm/overcommit_memory", 1), ("vm/mmap_min_addr", memory::PAGE_SIZE)] {
        register_sysctl(path, 0o444, Sysctl::shown(move |text| Ok(writeln!(text, "{value}")?)))?;
    }
    Ok(())
}
