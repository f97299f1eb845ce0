//! The functions that the compiler calls for copying and filling, and mappings.

use crate::error::{Result, check};
use crate::sys::{self, number};
use core::arch::asm;

/// May be read.
pub const PROT_READ: usize = 1;
/// May be written.
pub const PROT_WRITE: usize = 2;
/// May be executed.
pub const PROT_EXEC: usize = 4;

const MAP_PRIVATE: usize = 2;
const MAP_SHARED: usize = 1;
const MAP_ANONYMOUS: usize = 0x20;

const MADV_HUGEPAGE: usize = 14;

/// Maps fresh zeroed memory of `length` bytes and returns its address. `shared`: with the children too.
pub fn map(length: usize, protection: usize, shared: bool) -> Result<usize> {
    let sharing = if shared { MAP_SHARED } else { MAP_PRIVATE };
    let flags = sharing | MAP_ANONYMOUS;
    // SAFETY: a mapping at an address of the kernel's choice touches no memory that is in use.
    check(unsafe { sys::call(number::MMAP, [0, length, protection, flags, usize::MAX, 0]) })
}

/// Private memory of this program's own. Dropping it unmaps it.
pub struct Mapping {
    address: usize,
    length: usize,
}

impl Mapping {
    /// So many bytes of zeros.
    pub fn new(length: usize) -> Result<Self> {
        let address = map(length, PROT_READ | PROT_WRITE, false)?;
        Ok(Self { address, length })
    }

    /// Says that large pages are welcome. A kernel that has none may refuse, to no effect.
    pub fn welcome_large_pages(&mut self) {
        // SAFETY: the bytes stay what they are.
        unsafe {
            sys::call(number::MADVISE, [self.address, self.length, MADV_HUGEPAGE, 0, 0, 0]);
        }
    }

    /// Where it starts.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped readable and writable until this value goes away, and known to nobody else.
        unsafe { core::slice::from_raw_parts_mut(self.address as *mut u8, self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the memory any more. It was mapped, so unmapping it does not fail.
        unsafe { sys::call(number::MUNMAP, [self.address, self.length, 0, 0, 0, 0]) };
    }
}

/// Changes what may be done with whole pages that [`map`] gave.
///
/// # Safety
///
/// No reference may be used that the new protection forbids.
pub unsafe fn protect(address: usize, length: usize, protection: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { sys::call(number::MPROTECT, [address, length, protection, 0, 0, 0]) }).map(drop)
}

/// C's `memcpy`.
///
/// # Safety
///
/// As in C: both areas valid for `length` bytes and apart.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise; the direction flag is clear by the calling convention.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// C's `memmove`.
///
/// # Safety
///
/// As in C: both areas valid for `length` bytes; they may overlap.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= length {
        // SAFETY: going up, each byte is read before it is overwritten.
        return unsafe { memcpy(to, from, length) };
    }
    // SAFETY: going down from the last byte, each byte is read before it is overwritten; the
    // direction flag is clear again afterwards.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") length => _,
            inout("rdi") to.wrapping_add(length).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(length).wrapping_sub(1) => _,
            options(nostack));
    }
    to
}

/// C's `memset`.
///
/// # Safety
///
/// As in C: the area is valid for `length` bytes.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// C's `memcmp`.
///
/// # Safety
///
/// As in C: both areas valid for `length` bytes.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: within the areas that the caller vouches for. Volatile, so that this loop is not
        // itself turned into a call of `memcmp`.
        let (left, right) =
            unsafe { (one.add(index).read_volatile(), other.add(index).read_volatile()) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// BSD's `bcmp`, which the compiler prefers where only equality counts.
///
/// # Safety
///
/// As [`memcmp`].
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(one, other, length) }
}

/// C's `strlen`.
///
/// # Safety
///
/// As in C: the string ends with a NUL.
// SAFETY: nothing else in these programs has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the string is readable up to its NUL, the caller's promise.
    while unsafe { string.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
