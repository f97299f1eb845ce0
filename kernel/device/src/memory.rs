//! The class `mem`: nothing, zeros, random bytes. What they do is in `fs::devices`.

use errno::Result;

use crate::builder::Builder;

const CLASS: &str = "mem";

/// Everybody may use them.
const MODE: u32 = 0o666;

pub(crate) fn register() -> Result<()> {
    fs::devices::all().try_for_each(|(name, number)| {
        Builder::new(CLASS, name).number(number).mode(MODE).add().map(drop)
    })
}
