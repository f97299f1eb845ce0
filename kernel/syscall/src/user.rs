//! Values that cross the border to user memory.
//!
//! What may cross is said by `zerocopy`'s traits: a type that is copied out has no padding, so no
//! byte of kernel memory leaves with it, and a type that is copied in is valid whatever its bits
//! are.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use errno::{Errno, Result};
use machine::user;
use smallvec::SmallVec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The most bytes that one read or write moves, as in Linux.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;

/// The longest path, its final NUL included.
pub const PATH_MAX: usize = 4096;

/// An address that the user gave for a `T`. Nothing is known about it.
pub struct UserPtr<T> {
    address: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T> UserPtr<T> {
    /// Takes an address as it was given.
    pub const fn new(address: usize) -> Self {
        Self { address, kind: PhantomData }
    }

    /// The address.
    pub const fn address(self) -> usize {
        self.address
    }

    /// Whether it is the null pointer.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }

    /// The pointer, unless it is null.
    pub fn non_null(self) -> Option<Self> {
        (!self.is_null()).then_some(self)
    }

    /// The address of the element `index` places further.
    ///
    /// # Errors
    /// EFAULT: beyond the end of the address space.
    pub fn at(self, index: usize) -> Result<Self> {
        index
            .checked_mul(size_of::<T>())
            .and_then(|distance| self.address.checked_add(distance))
            .map(Self::new)
            .ok_or(Errno::EFAULT)
    }
}

impl<T: FromBytes + IntoBytes> UserPtr<T> {
    /// Copies the value in. May sleep.
    ///
    /// # Errors
    /// EFAULT.
    pub fn read(self) -> Result<T> {
        let mut value = T::new_zeroed();
        user::copy_from(self.address, value.as_mut_bytes()).map_err(|_| Errno::EFAULT)?;
        Ok(value)
    }

    /// Copies `count` values in. The caller has bounded `count`. May sleep.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn read_many(self, count: usize) -> Result<Vec<T>> {
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for index in 0..count {
            values.push(self.at(index)?.read()?);
        }
        Ok(values)
    }
}

impl<T: IntoBytes + Immutable> UserPtr<T> {
    /// Copies a value out. May sleep.
    ///
    /// # Errors
    /// EFAULT.
    pub fn write(self, value: &T) -> Result<()> {
        user::copy_to(self.address, value.as_bytes()).map_err(|_| Errno::EFAULT)
    }

    /// Copies a value out, unless the pointer is null. May sleep.
    ///
    /// # Errors
    /// EFAULT.
    pub fn write_unless_null(self, value: &T) -> Result<()> {
        if self.is_null() { Ok(()) } else { self.write(value) }
    }
}

/// How long a path may be, its NUL counted, for which no memory is asked.
const PATH_AT_HAND: usize = 64;

/// A path that was copied in.
pub type PathText = SmallVec<[u8; PATH_AT_HAND]>;

impl UserPtr<u8> {
    /// Copies bytes out. May sleep.
    ///
    /// # Errors
    /// EFAULT.
    pub fn write_bytes(self, bytes: &[u8]) -> Result<()> {
        user::copy_to(self.address, bytes).map_err(|_| Errno::EFAULT)
    }

    /// Copies bytes in. May sleep.
    ///
    /// # Errors
    /// EFAULT.
    pub fn read_bytes(self, bytes: &mut [u8]) -> Result<()> {
        user::copy_from(self.address, bytes).map_err(|_| Errno::EFAULT)
    }

    /// Copies a string in, which ends with a NUL and is shorter than `limit`, the NUL counted. May
    /// sleep.
    ///
    /// # Errors
    /// EFAULT, ENOMEM; `too_long` if there is no NUL within the limit.
    pub fn read_string(self, limit: usize, too_long: Errno) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        let mut chunk = [0; 256];
        loop {
            let address = self.address.checked_add(string.len()).ok_or(Errno::EFAULT)?;
            let room = chunk.len().min(limit - string.len());
            if room == 0 {
                return Err(too_long);
            }
            let length =
                user::copy_string_from(address, &mut chunk[..room]).map_err(|_| Errno::EFAULT)?;
            string.try_reserve(length).map_err(|_| Errno::ENOMEM)?;
            string.extend_from_slice(&chunk[..length]);
            if length < room {
                return Ok(string);
            }
        }
    }

    /// Copies in a structure that has grown over time: `size` is what the caller knows of it,
    /// `structure` what is known here. What the caller does not know is zero; what is not known
    /// here has to be zero. May sleep.
    ///
    /// # Errors
    /// EFAULT; E2BIG: something is asked for that is not known here, or more than a page;
    /// `too_small`: the size is 0.
    pub fn read_structure(self, structure: &mut [u8], size: usize, too_small: Errno) -> Result<()> {
        if size == 0 {
            return Err(too_small);
        }
        if size > machine::PAGE_SIZE {
            return Err(Errno::E2BIG);
        }
        let known = size.min(structure.len());
        self.read_bytes(&mut structure[..known])?;
        structure[known..].fill(0);
        for index in known..size {
            let mut byte = [0];
            self.at(index)?.read_bytes(&mut byte)?;
            if byte != [0] {
                return Err(Errno::E2BIG);
            }
        }
        Ok(())
    }

    /// Copies a path in. May sleep.
    ///
    /// # Errors
    /// EFAULT, ENOMEM; ENAMETOOLONG: [`PATH_MAX`] bytes or more.
    #[inline]
    pub fn read_path(self) -> Result<PathText> {
        let mut start = [0; PATH_AT_HAND];
        let length = user::copy_string_from(self.address, &mut start).map_err(|_| Errno::EFAULT)?;
        if length < start.len() {
            return Ok(PathText::from_buf_and_len(start, length));
        }
        self.read_string(PATH_MAX, Errno::ENAMETOOLONG).map(PathText::from_vec)
    }
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> fmt::Debug for UserPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

/// What a system call's argument can be: anything that a register's word is read as.
pub trait Argument {
    /// Reads the word as Linux does: a narrower number is its low part.
    fn from_word(word: usize) -> Self;
}

macro_rules! number_argument {
    ($($number:ty)*) => {
        $(impl Argument for $number {
            #[inline]
            fn from_word(word: usize) -> Self {
                word as $number
            }
        })*
    };
}

number_argument!(i32 u32 i64 u64 isize usize);

impl<T> Argument for UserPtr<T> {
    #[inline]
    fn from_word(word: usize) -> Self {
        Self::new(word)
    }
}
