//! User memory, reached so that any address is safe to try.
//!
//! Each instruction here that touches user memory is noted in a table with the place where a failed
//! access goes on. The page-fault handler asks the kernel for the page first; see
//! [`crate::exception`]. User memory is only open between `stac` and `clac`.

use crate::layout::USER_END;
use crate::{memory, smap_site};
use contract::{Fault, Frame, PAGE_SIZE};
use core::arch::naked_asm;

/// A line for the table of instructions that may fault: a label, and the label to go on at.
macro_rules! may_fault {
    ($at:literal, $resume:literal) => {
        concat!(
            ".pushsection .fixups, \"a\", @progbits\n.quad ",
            $at,
            ", ",
            $resume,
            "\n.popsection"
        )
    };
}

#[repr(C)]
struct Fixup {
    instruction: u64,
    resume: u64,
}

unsafe extern "C" {
    static __fixups_start: Fixup;
    static __fixups_end: Fixup;
}

/// Where an instruction that faulted goes on, if it is one that may.
pub(crate) fn fixup(instruction: u64) -> Option<u64> {
    let start = &raw const __fixups_start;
    let length = (&raw const __fixups_end as usize - start as usize) / size_of::<Fixup>();
    // SAFETY: the linker script bounds the table.
    let table = unsafe { core::slice::from_raw_parts(start, length) };
    table.iter().find(|fixup| fixup.instruction == instruction).map(|fixup| fixup.resume)
}

/// Copies; 0 if all went well.
#[unsafe(naked)]
unsafe extern "C" fn copy_bytes(to: *mut u8, from: *const u8, length: usize) -> u64 {
    naked_asm!(
        "mov rcx, rdx",
        "shr rcx, 3",
        "and edx, 7",
        smap_site!("stac"),
        "2: rep movsq",
        "mov ecx, edx",
        "3: rep movsb",
        "xor eax, eax",
        smap_site!("clac"),
        "ret",
        "4: mov eax, 1",
        smap_site!("clac"),
        "ret",
        may_fault!("2b", "4b"),
        may_fault!("3b", "4b"),
    )
}

/// Writes zeros; 0 if all went well.
#[unsafe(naked)]
unsafe extern "C" fn clear_bytes(to: usize, length: usize) -> u64 {
    naked_asm!(
        "mov rcx, rsi",
        "shr rcx, 3",
        "and esi, 7",
        "xor eax, eax",
        smap_site!("stac"),
        "2: rep stosq",
        "mov ecx, esi",
        "3: rep stosb",
        smap_site!("clac"),
        "ret",
        "4: mov eax, 1",
        smap_site!("clac"),
        "ret",
        may_fault!("2b", "4b"),
        may_fault!("3b", "4b"),
    )
}

/// Makes an access by which user memory and the registers of floating point and vectors are exchanged; 0 if all went well.
macro_rules! exchanges {
    ($($(#[$doc:meta])* $name:ident: $instruction:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(at: usize) -> u64 {
            naked_asm!(
                "mov eax, -1",
                "mov edx, -1",
                smap_site!("stac"),
                concat!("2: ", $instruction),
                "xor eax, eax",
                smap_site!("clac"),
                "ret",
                "3: mov eax, 1",
                smap_site!("clac"),
                "ret",
                may_fault!("2b", "3b"),
            )
        }
    )*};
}

exchanges! {
    /// Registers to user memory.
    store_state: "xsave64 [rdi]";
    /// User memory to registers.
    load_state: "xrstor64 [rdi]";
}

/// Writes the registers of floating point and vectors, `size` bytes in the format of XSAVE, to user memory, all but the part that is the
/// software's and the reserved words of the header. Interrupts off: a page that is missing is a fault. On a fault a part may have been written.
///
/// # Safety
/// The processor has XSAVE, the registers are the running program's, and `size` is that of what is turned on.
pub(super) unsafe fn save_state_to(address: usize, size: usize) -> Result<(), Fault> {
    check(address, size)?;
    // SAFETY: the caller's promise; only user addresses are written, and any of them may be tried.
    done(unsafe { store_state(address) })
}

/// Reads the same back. Interrupts off. It is a fault, too, if the processor refuses it; then the registers' contents are unspecified.
///
/// # Safety
/// As for [`save_state_to`].
pub(super) unsafe fn load_state_from(address: usize, size: usize) -> Result<(), Fault> {
    check(address, size)?;
    // SAFETY: the caller's promise; what is loaded is no concern of the kernel's.
    done(unsafe { load_state(address) })
}

/// What a single access returns: the value, and 0 if all went well.
#[repr(C)]
struct Loaded {
    value: u64,
    failed: u64,
}

impl Loaded {
    fn ok(self) -> Result<u64, Fault> {
        if self.failed == 0 { Ok(self.value) } else { Err(Fault) }
    }
}

macro_rules! loads {
    ($($(#[$doc:meta])* $name:ident: $instruction:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(from: usize) -> Loaded {
            naked_asm!(
                smap_site!("stac"),
                concat!("2: ", $instruction),
                "xor edx, edx",
                smap_site!("clac"),
                "ret",
                "3: mov edx, 1",
                smap_site!("clac"),
                "ret",
                may_fault!("2b", "3b"),
            )
        }
    )*};
}

loads! {
    /// Loads a byte.
    load_byte: "movzx eax, byte ptr [rdi]";
    /// Loads four bytes.
    load_half: "mov eax, [rdi]";
    /// Loads eight bytes.
    load_word: "mov rax, [rdi]";
}

/// Compares and exchanges; returns the value that was there.
#[unsafe(naked)]
unsafe extern "C" fn exchange_half(at: usize, old: u32, new: u32) -> Loaded {
    naked_asm!(
        "mov eax, esi",
        smap_site!("stac"),
        "2: lock cmpxchg [rdi], edx",
        "mov eax, eax",
        "xor edx, edx",
        smap_site!("clac"),
        "ret",
        "3: mov edx, 1",
        smap_site!("clac"),
        "ret",
        may_fault!("2b", "3b"),
    )
}

/// Whether a range is all user addresses.
#[inline]
fn check(address: usize, length: usize) -> Result<(), Fault> {
    match address.checked_add(length) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Fault),
    }
}

fn done(failed: u64) -> Result<(), Fault> {
    if failed == 0 { Ok(()) } else { Err(Fault) }
}

/// Copies from user memory. On a fault the buffer's contents are unspecified.
pub fn copy_from(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    check(address, buffer.len())?;
    // SAFETY: the buffer is as long as said; the user's side may be anything.
    done(unsafe { copy_bytes(buffer.as_mut_ptr(), address as *const u8, buffer.len()) })
}

/// Copies from user memory to where nothing need have been yet. Without a fault all of it has been written.
///
/// # Safety
/// `to` is good for `length` bytes to be written.
pub(super) unsafe fn copy_from_to(address: usize, to: *mut u8, length: usize) -> Result<(), Fault> {
    check(address, length)?;
    // SAFETY: the caller's promise; the user's side may be anything.
    done(unsafe { copy_bytes(to, address as *const u8, length) })
}

/// Copies to user memory. On a fault a part may have been written.
pub fn copy_to(address: usize, bytes: &[u8]) -> Result<(), Fault> {
    check(address, bytes.len())?;
    // SAFETY: the bytes are as many as said; the user's side may be anything.
    done(unsafe { copy_bytes(address as *mut u8, bytes.as_ptr(), bytes.len()) })
}

/// Copies from user memory into a frame. On a fault the contents of that part of the frame are unspecified. Panics
/// if the part is not in the frame.
pub fn copy_to_frame(
    address: usize,
    frame: &Frame,
    offset: usize,
    length: usize,
) -> Result<(), Fault> {
    let to = memory::part(frame, offset, length);
    check(address, length)?;
    // SAFETY: `part` checked the frame's side; the user's side may be anything.
    done(unsafe { copy_bytes(to, address as *const u8, length) })
}

/// Copies from a frame to user memory. On a fault a part may have been written. Panics if the part is not in the frame.
pub fn copy_from_frame(
    address: usize,
    frame: &Frame,
    offset: usize,
    length: usize,
) -> Result<(), Fault> {
    let from = memory::part(frame, offset, length);
    check(address, length)?;
    // SAFETY: `part` checked the frame's side; the user's side may be anything.
    done(unsafe { copy_bytes(address as *mut u8, from, length) })
}

/// Writes zeros to user memory. On a fault a part may have been written.
pub fn clear(address: usize, length: usize) -> Result<(), Fault> {
    check(address, length)?;
    // SAFETY: only user addresses are written.
    done(unsafe { clear_bytes(address, length) })
}

/// Copies a string up to its NUL, and returns its length; the buffer's length if it holds no NUL.
pub fn copy_string_from(address: usize, buffer: &mut [u8]) -> Result<usize, Fault> {
    const WORD: usize = size_of::<u64>();
    let mut at = 0;
    while at < buffer.len() {
        let from = address.checked_add(at).ok_or(Fault)?;
        // A word within one page never touches a page that the string does not.
        if from % PAGE_SIZE <= PAGE_SIZE - WORD && buffer.len() - at >= WORD {
            check(from, WORD)?;
            // SAFETY: a user address.
            let word = unsafe { load_word(from) }.ok()?;
            buffer[at..at + WORD].copy_from_slice(&word.to_le_bytes());
            // The lowest bit set is in the first byte that is zero.
            let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
            if zeros != 0 {
                return Ok(at + zeros.trailing_zeros() as usize / 8);
            }
            at += WORD;
        } else {
            check(from, 1)?;
            // SAFETY: a user address.
            buffer[at] = unsafe { load_byte(from) }.ok()? as u8;
            if buffer[at] == 0 {
                return Ok(at);
            }
            at += 1;
        }
    }
    Ok(buffer.len())
}

/// Loads four bytes in one access. The address is a multiple of four, or it is a fault.
pub fn load_u32(address: usize) -> Result<u32, Fault> {
    check_word(address)?;
    // SAFETY: a user address.
    unsafe { load_half(address) }.ok().map(|value| value as u32)
}

/// If the four bytes are `old`, makes them `new`, in one step; returns what was there. The address is a
/// multiple of four, or it is a fault.
pub fn compare_exchange_u32(address: usize, old: u32, new: u32) -> Result<u32, Fault> {
    check_word(address)?;
    // SAFETY: a user address.
    unsafe { exchange_half(address, old, new) }.ok().map(|value| value as u32)
}

fn check_word(address: usize) -> Result<(), Fault> {
    if !address.is_multiple_of(size_of::<u32>()) {
        return Err(Fault);
    }
    check(address, size_of::<u32>())
}

/// Reads a word of kernel memory if it is there.
pub(crate) fn probe(address: usize) -> Option<usize> {
    if address < USER_END {
        return None;
    }
    // SAFETY: a read that faults fails.
    unsafe { load_word(address) }.ok().ok().map(|value| value as usize)
}
