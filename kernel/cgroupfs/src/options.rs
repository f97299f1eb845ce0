//! What `mount` may be told.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use bitflags::bitflags;
use errno::{Errno, Result};

bitflags! {
    /// Options of the one tree. Programs that set up a system give them; each is about namespaces, locks or controllers
    /// that are not here, so none changes anything.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Options: u8 {
        const NSDELEGATE = 1 << 0;
        const FAVORDYNMODS = 1 << 1;
        const MEMORY_LOCALEVENTS = 1 << 2;
        const MEMORY_RECURSIVEPROT = 1 << 3;
    }
}

static KEPT: AtomicU8 = AtomicU8::new(0);

impl Options {
    /// Reads a list of options.
    ///
    /// # Errors
    /// EINVAL: one that is not known, or has a value.
    pub(crate) fn parse(options: &[u8]) -> Result<Self> {
        fs::parse_options(options).try_fold(Self::empty(), |all, (name, value)| {
            let name = core::str::from_utf8(name).map_err(|_| Errno::EINVAL)?;
            let known = Self::from_name(&name.to_ascii_uppercase()).ok_or(Errno::EINVAL)?;
            if value.is_some() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Err(Errno::EINVAL);
            }
            Ok(all | known)
        })
    }

    /// Keeps them, to be shown.
    pub(crate) fn keep(self) {
        KEPT.store(self.bits(), Ordering::Relaxed);
    }

    /// Those that were given last.
    pub(crate) fn kept() -> Self {
        Self::from_bits_truncate(KEPT.load(Ordering::Relaxed))
    }

    /// Writes them as `/proc/mounts` shows them.
    pub(crate) fn show(self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.iter_names().try_for_each(|(name, _)| write!(out, ",{}", name.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_shown() {
        let options = Options::parse(b"nsdelegate,memory_recursiveprot").unwrap();
        let mut shown = alloc::string::String::new();
        options.show(&mut shown).unwrap();
        assert_eq!(shown, ",nsdelegate,memory_recursiveprot");
        assert_eq!(Options::parse(b""), Ok(Options::empty()));
        for bad in [&b"nsdelegate=1"[..], b"NSDELEGATE", b"none", b"\xff"] {
            assert_eq!(Options::parse(bad), Err(Errno::EINVAL));
        }
    }
}
