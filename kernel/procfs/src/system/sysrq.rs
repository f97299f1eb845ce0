//! `sysrq-trigger`: the first byte that is written is a key.

use alloc::sync::Arc;

use errno::Result;
use kernfs::{Attribute, Directory};

pub(super) fn register(files: &Arc<Directory>) -> Result<()> {
    files.add_file("sysrq-trigger", Attribute::new().store(press))
}

fn press(bytes: &[u8]) -> Result<()> {
    if let Some(&key) = bytes.first() {
        ::sysrq::trigger(key);
    }
    Ok(())
}
