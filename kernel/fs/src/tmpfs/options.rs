//! The options of a tmpfs.

use core::fmt;

use errno::{Errno, Result};
use memory::PAGE_SIZE;

use super::budget::Budget;
use crate::stat::MODE_BITS;
use crate::superblock::parse_options;

/// What was asked for; `None` is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) pages: Option<u64>,
    pub(super) inodes: Option<u64>,
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Options {
    pub(super) const UNLIMITED: Self = Self {
        pages: Some(Budget::UNLIMITED),
        inodes: Some(Budget::UNLIMITED),
        mode: None,
        uid: None,
        gid: None,
    };

    /// # Errors
    /// EINVAL.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in parse_options(text) {
            let value = value.ok_or(Errno::EINVAL)?;
            match name {
                b"size" => options.pages = Some(limit(size(value)?.div_ceil(PAGE_SIZE as u64))),
                b"nr_blocks" => options.pages = Some(limit(size(value)?)),
                b"nr_inodes" => options.inodes = Some(limit(size(value)?)),
                b"mode" => options.mode = Some(number(value, 8)? as u32 & MODE_BITS),
                b"uid" => options.uid = Some(id(value)?),
                b"gid" => options.gid = Some(id(value)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }

    /// The most pages: half of memory unless something else was asked for.
    pub(super) fn pages(&self) -> u64 {
        self.pages.unwrap_or_else(half_of_memory)
    }

    /// The most inodes.
    pub(super) fn inodes(&self) -> u64 {
        self.inodes.unwrap_or_else(half_of_memory)
    }

    /// Writes what differs from the defaults.
    pub(super) fn show(&self, pages: u64, out: &mut dyn fmt::Write) -> fmt::Result {
        if pages != Budget::UNLIMITED && pages != half_of_memory() {
            write!(out, ",size={}k", pages * (PAGE_SIZE as u64 / 1024))?;
        }
        if let Some(inodes) = self.inodes.filter(|&inodes| inodes != Budget::UNLIMITED) {
            write!(out, ",nr_inodes={inodes}")?;
        }
        if let Some(mode) = self.mode {
            write!(out, ",mode={mode:o}")?;
        }
        if let Some(uid) = self.uid.filter(|&uid| uid != 0) {
            write!(out, ",uid={uid}")?;
        }
        if let Some(gid) = self.gid.filter(|&gid| gid != 0) {
            write!(out, ",gid={gid}")?;
        }
        Ok(())
    }
}

fn half_of_memory() -> u64 {
    (memory::statistics().total / PAGE_SIZE / 2) as u64
}

/// 0 means without limit.
fn limit(count: u64) -> u64 {
    if count == 0 { Budget::UNLIMITED } else { count }
}

fn number(text: &[u8], radix: u32) -> Result<u64> {
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    u64::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

fn id(text: &[u8]) -> Result<u32> {
    u32::try_from(number(text, 10)?).map_err(|_| Errno::EINVAL)
}

/// A number with `k`, `m`, `g`, or `%` of memory (in bytes).
fn size(text: &[u8]) -> Result<u64> {
    let (&last, front) = text.split_last().ok_or(Errno::EINVAL)?;
    let scale = match last {
        b'k' | b'K' => 1 << 10,
        b'm' | b'M' => 1 << 20,
        b'g' | b'G' => 1 << 30,
        b'%' => memory::statistics().total as u64 / 100,
        _ => return number(text, 10),
    };
    number(front, 10)?.checked_mul(scale).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused() {
        let options = Options::parse(b"size=64k,mode=1777,,uid=5").unwrap();
        assert_eq!(options.pages, Some(16));
        assert_eq!(options.mode, Some(0o1777));
        assert_eq!(options.uid, Some(5));
        assert_eq!(Options::parse(b"size=0").unwrap().pages, Some(Budget::UNLIMITED));
        for bad in [&b"size"[..], b"size=", b"size=x", b"size=99999999999999999999", b"nonsense=1"]
        {
            assert_eq!(Options::parse(bad), Err(Errno::EINVAL), "{bad:?}");
        }
    }
}
