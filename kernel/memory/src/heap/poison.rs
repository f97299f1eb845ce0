//! Freed memory is marked in debug builds, so that using it shows.
//!
//! A free object's first bytes are its link; the rest is filled with a pattern that no pointer has.
//! When the object is handed out again and the pattern is broken, somebody wrote to it after
//! freeing it.

use core::ptr::NonNull;

/// Linux's POISON_FREE.
const FREE: u8 = 0x6b;
const LINK: usize = size_of::<usize>();

/// Marks a free object of `size` bytes.
///
/// # Safety
/// The memory is the caller's.
#[inline]
pub(super) unsafe fn fill(object: NonNull<u8>, size: usize) {
    if cfg!(debug_assertions) {
        // SAFETY: the caller owns `size` bytes, and no class is smaller than a link.
        unsafe { object.add(LINK).write_bytes(FREE, size - LINK) };
    }
}

/// Checks a free object that is about to be handed out.
///
/// # Safety
/// As for [`fill`], which marked it.
#[inline]
pub(super) unsafe fn check(object: NonNull<u8>, size: usize) {
    if cfg!(debug_assertions) {
        // SAFETY: the caller owns `size` bytes, which `fill` has initialised beyond the link.
        let bytes = unsafe { core::slice::from_raw_parts(object.as_ptr().add(LINK), size - LINK) };
        if let Some(offset) = bytes.iter().position(|&byte| byte != FREE) {
            panic!(
                "a heap object of {size} bytes at {object:p} was written to after it was freed, \
                 at offset {}",
                LINK + offset
            );
        }
    }
}
