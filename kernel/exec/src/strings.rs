//! Lists of strings on their way from the old program to the new one.

use alloc::vec::Vec;

use errno::{Errno, Result};
use machine::PAGE_SIZE;
use machine::user;

/// The longest single string, its final NUL included (Linux's `MAX_ARG_STRLEN`).
pub(crate) const STRING_MAX: usize = 32 * PAGE_SIZE;

/// Strings one after the other, each with its final NUL, as they will stand on the new stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// No strings.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All of them, NULs included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they take on the new stack: their bytes and a pointer each.
    pub fn cost(&self) -> usize {
        self.bytes.len() + self.count * size_of::<usize>()
    }

    /// Each string, without its NUL.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&byte| byte == 0).map(|string| &string[..string.len() - 1])
    }

    /// Appends a string, which has no NUL.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        debug_assert!(!string.contains(&0), "a string ends at its first NUL");
        self.bytes.try_reserve(string.len() + 1).map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// Appends the strings of another list.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        self.bytes.try_reserve(other.bytes.len()).map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
        Ok(())
    }

    /// Drops the first string, if there is one.
    pub fn remove_first(&mut self) {
        if let Some(end) = self.bytes.iter().position(|&byte| byte == 0) {
            self.bytes.drain(..=end);
            self.count -= 1;
        }
    }

    /// Copies a user array of pointers to strings, which ends with a null pointer. The null pointer
    /// itself is an empty array. `limit` bounds [`cost`](Self::cost).
    ///
    /// # Errors
    /// EFAULT, ENOMEM; E2BIG: more than the limit, or one string longer than [`STRING_MAX`].
    pub fn copy_from_user(array: usize, limit: usize) -> Result<Self> {
        let mut strings = Self::new();
        if array == 0 {
            return Ok(strings);
        }
        let mut place = array;
        loop {
            let mut pointer = [0; size_of::<usize>()];
            user::copy_from(place, &mut pointer).map_err(|_| Errno::EFAULT)?;
            let pointer = usize::from_ne_bytes(pointer);
            if pointer == 0 {
                return Ok(strings);
            }
            strings.copy_one(pointer, limit)?;
            place = place.checked_add(size_of::<usize>()).ok_or(Errno::EFAULT)?;
        }
    }

    fn copy_one(&mut self, mut address: usize, limit: usize) -> Result<()> {
        let start = self.bytes.len();
        let mut chunk = [0; 256];
        loop {
            let length = user::copy_string_from(address, &mut chunk).map_err(|_| Errno::EFAULT)?;
            let ended = length < chunk.len();
            self.bytes.try_reserve(length + 1).map_err(|_| Errno::ENOMEM)?;
            self.bytes.extend_from_slice(&chunk[..length]);
            if self.bytes.len() - start >= STRING_MAX || self.cost() >= limit {
                return Err(Errno::E2BIG);
            }
            if ended {
                break;
            }
            address = address.checked_add(length).ok_or(Errno::EFAULT)?;
        }
        self.bytes.push(0);
        self.count += 1;
        if self.cost() > limit {
            return Err(Errno::E2BIG);
        }
        Ok(())
    }
}
