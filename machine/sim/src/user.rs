//! User mode: programs that are lists of steps, and access to user memory.

mod context;
mod script;

pub use context::{UserContext, extended_state_size};
pub use script::Step;
pub(crate) use script::{Script, add as add_script};

use contract::preempt::NO_RESCHED;
use contract::{Access, Fault, Frame, PAGE_SIZE};

use crate::machine::here;
use crate::memory::{self, direct_map, translate};
use crate::schedule;

/// The first address that is not a user address.
pub const USER_END: usize = 0x7fff_ffff_f000;

/// Reads user memory.
///
/// # Errors
/// [`Fault`] if a byte of it cannot be read.
pub fn copy_from(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    each_page(address, buffer.len(), Access::Read, |place, done, length| {
        // SAFETY: `place` is `length` bytes in a frame, and the buffer is kernel memory of our own.
        unsafe { place.copy_to_nonoverlapping(buffer[done..done + length].as_mut_ptr(), length) };
        true
    })
}

/// Writes user memory.
///
/// # Errors
/// [`Fault`] if a byte of it cannot be written; those before it may have been.
pub fn copy_to(address: usize, bytes: &[u8]) -> Result<(), Fault> {
    each_page(address, bytes.len(), Access::Write, |place, done, length| {
        // SAFETY: as in `copy_from`.
        unsafe { place.copy_from_nonoverlapping(bytes[done..done + length].as_ptr(), length) };
        true
    })
}

/// Reads user memory into a frame.
///
/// # Errors
/// As for [`copy_from`].
///
/// # Panics
/// If the range is not in the frame.
pub fn copy_to_frame(
    address: usize,
    frame: &Frame,
    offset: usize,
    length: usize,
) -> Result<(), Fault> {
    let mut bytes = vec![0; length];
    copy_from(address, &mut bytes)?;
    memory::write(frame, offset, &bytes);
    Ok(())
}

/// Writes what a frame has to user memory.
///
/// # Errors
/// As for [`copy_to`].
///
/// # Panics
/// If the range is not in the frame.
pub fn copy_from_frame(
    address: usize,
    frame: &Frame,
    offset: usize,
    length: usize,
) -> Result<(), Fault> {
    let mut bytes = vec![0; length];
    memory::read(frame, offset, &mut bytes);
    copy_to(address, &bytes)
}

/// Makes user memory all zeros.
///
/// # Errors
/// As for [`copy_to`].
pub fn clear(address: usize, length: usize) -> Result<(), Fault> {
    each_page(address, length, Access::Write, |place, _, length| {
        // SAFETY: as in `copy_from`.
        unsafe { place.write_bytes(0, length) };
        true
    })
}

/// Reads up to and with the first NUL; returns the length without it, or the buffer's whole length
/// if there was none.
///
/// # Errors
/// [`Fault`] if a byte before the NUL cannot be read.
pub fn copy_string_from(address: usize, buffer: &mut [u8]) -> Result<usize, Fault> {
    let mut end = None;
    // The string may end before the buffer and before the user half do.
    let length = buffer.len().min(USER_END.saturating_sub(address));
    each_page(address, length, Access::Read, |place, done, length| {
        let part = &mut buffer[done..done + length];
        // SAFETY: as in `copy_from`.
        unsafe { place.copy_to_nonoverlapping(part.as_mut_ptr(), length) };
        end = part.iter().position(|&byte| byte == 0).map(|at| done + at);
        end.is_none()
    })?;
    match end {
        Some(end) => Ok(end),
        None if length == buffer.len() => Ok(length),
        None => Err(Fault),
    }
}

/// Reads an aligned word in one step.
///
/// # Errors
/// [`Fault`] if it cannot be read or is not aligned.
pub fn load_u32(address: usize) -> Result<u32, Fault> {
    let mut word = [0; 4];
    aligned(address)?;
    copy_from(address, &mut word)?;
    Ok(u32::from_ne_bytes(word))
}

/// Writes `new` if the aligned word is `old`, in one step; returns the value that was there.
///
/// # Errors
/// [`Fault`] if it cannot be written or is not aligned.
pub fn compare_exchange_u32(address: usize, old: u32, new: u32) -> Result<u32, Fault> {
    let mut found = 0;
    aligned(address)?;
    each_page(address, 4, Access::Write, |place, _, _| {
        let word = place.cast::<u32>();
        // SAFETY: four aligned bytes in a frame. Nothing else runs until the next point.
        unsafe {
            found = word.read();
            if found == old {
                word.write(new);
            }
        }
        true
    })?;
    Ok(found)
}

fn aligned(address: usize) -> Result<(), Fault> {
    if address.is_multiple_of(4) { Ok(()) } else { Err(Fault) }
}

/// Calls `body` with where each page's part of a range of user memory lies, how many bytes came
/// before it, and how many it is, until `body` returns false.
fn each_page(
    address: usize,
    length: usize,
    access: Access,
    mut body: impl FnMut(*mut u8, usize, usize) -> bool,
) -> Result<(), Fault> {
    let end = address.checked_add(length).filter(|&end| end <= USER_END).ok_or(Fault)?;
    let mut at = address;
    while at < end {
        schedule::point(here());
        let part = (end - at).min(PAGE_SIZE - at % PAGE_SIZE);
        match translate(at, access) {
            Ok(frame) => {
                // SAFETY: the offset lies in the frame.
                let place = unsafe { direct_map(frame).add(at % PAGE_SIZE) };
                if !body(place, at - address, part) {
                    return Ok(());
                }
                at += part;
            }
            Err(_) if page_arrives(at, access) => {}
            Err(_) => return Err(Fault),
        }
    }
    Ok(())
}

/// Asks the kernel for a page, where it may sleep.
fn page_arrives(address: usize, access: Access) -> bool {
    let machine = here();
    let cpu = machine.cpu();
    let may_sleep = cpu.preempt.get() & !NO_RESCHED == 0 && cpu.interrupts.get();
    match machine.upcalls() {
        Some(upcalls) if may_sleep => (upcalls.user_fault)(address, access),
        _ => false,
    }
}
