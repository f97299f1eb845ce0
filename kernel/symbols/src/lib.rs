//! The names of the kernel's functions, as the build puts them into the image.
//!
//! The image has room for a table, zeroed by the linker. When it is linked, `xtask` reads its
//! symbols and writes the table there, so that no address moves:
//!
//! ```text
//!   u32         how many functions
//!   u32, u32    of each, by address: where it starts, counted from the image's start; its name
//!   names       a byte for the length, then UTF-8
//! ```
//!
//! A name is where it lies among the names, with [`WAITING`] set if the function is part of waiting
//! itself and not what waits. Functions without a name of interest have [`NAMELESS`]; those next to
//! each other are one entry. An image whose table was not written has no names.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(not(target_os = "none"))]
mod encode;

#[cfg(not(target_os = "none"))]
pub use encode::{Function, encode};

/// In a name's place: part of the scheduler, of a lock or of the like.
const WAITING: u32 = 1 << 31;
/// In a name's place: none.
const NAMELESS: u32 = WAITING - 1;

/// Bytes of a number.
const NUMBER: usize = size_of::<u32>();
/// Bytes of a function's entry.
const ENTRY: usize = 2 * NUMBER;

/// A table in memory.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Where the image starts.
    base: usize,
    bytes: &'a [u8],
}

/// The function at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its modules and its name: `pipe::read`.
    pub name: &'a str,
    /// How far in it the address is.
    pub offset: usize,
    /// Its length.
    pub size: usize,
    /// It is part of waiting itself.
    pub is_waiting: bool,
}

impl<'a> Table<'a> {
    /// The table of an image that starts at `base`.
    pub const fn new(base: usize, bytes: &'a [u8]) -> Self {
        Self { base, bytes }
    }

    /// The function that an address is in, if it has a name.
    pub fn find(&self, address: usize) -> Option<Symbol<'a>> {
        let place = u32::try_from(address.checked_sub(self.base)?).ok()?;
        let count = self.number(0)? as usize;
        // The last one that starts there or before.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 <= place { low = middle + 1 } else { high = middle }
        }
        let (start, name) = self.entry(low.checked_sub(1)?)?;
        // What is behind the last one is not code.
        let (end, _) = (low < count).then(|| self.entry(low)).flatten()?;
        if name & NAMELESS == NAMELESS {
            return None;
        }
        Some(Symbol {
            name: self.name(count, name & NAMELESS)?,
            offset: (place - start) as usize,
            size: end.checked_sub(start)? as usize,
            is_waiting: name & WAITING != 0,
        })
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn entry(&self, index: usize) -> Option<(u32, u32)> {
        let at = NUMBER + index * ENTRY;
        Some((self.number(at)?, self.number(at + NUMBER)?))
    }

    fn name(&self, count: usize, at: u32) -> Option<&'a str> {
        let at = NUMBER + count * ENTRY + at as usize;
        let (length, rest) = self.bytes.get(at..)?.split_first()?;
        core::str::from_utf8(rest.get(..usize::from(*length))?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 0x1000;

    fn name(start: u32, name: &str, is_waiting: bool) -> Function<'_> {
        Function { start, name: Some(name), is_waiting }
    }

    fn nameless(start: u32) -> Function<'static> {
        Function { start, name: None, is_waiting: false }
    }

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let bytes = encode(&[
            nameless(0),
            name(0x10, "pipe::read", false),
            name(0x30, "wait::wait_map", true),
            nameless(0x40),
            nameless(0x50),
            name(0x60, "pipe::read", false),
            nameless(0x80),
        ]);
        let table = Table::new(BASE, &bytes);
        let found = |place: usize| table.find(BASE + place);
        let read = Symbol { name: "pipe::read", offset: 0x1f, size: 0x20, is_waiting: false };
        assert_eq!(found(0x2f), Some(read));
        let wait = Symbol { name: "wait::wait_map", offset: 0, size: 0x10, is_waiting: true };
        assert_eq!(found(0x30), Some(wait));
        assert_eq!(found(0x6f), Some(Symbol { offset: 0xf, ..read }));
        for place in [0, 0xf, 0x40, 0x55, 0x80, 0x1000] {
            assert_eq!(found(place), None, "{place:#x}");
        }
        assert_eq!(table.find(BASE - 1), None);
        assert_eq!(table.find(usize::MAX), None);
    }

    #[test]
    fn an_image_without_a_table_has_no_names() {
        for bytes in [&[][..], &[0; 64], &[0xff; 64], &[3, 0, 0, 0, 0, 0]] {
            assert_eq!(Table::new(BASE, bytes).find(BASE + 5), None);
        }
    }

    #[test]
    fn what_is_the_same_is_written_once() {
        let twice = encode(&[name(0, "a", false), name(8, "a", true), nameless(16)]);
        assert_eq!(twice.len(), NUMBER + 3 * ENTRY + 2);
        let merged = encode(&[nameless(0), nameless(8), name(16, "a", false), nameless(24)]);
        assert_eq!(merged.len(), NUMBER + 3 * ENTRY + 2);
    }
}
