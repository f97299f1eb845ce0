//! Comparing memory: what the compiler calls for slices and strings.
//!
//! The library's own version of these takes some two hundred instructions for a short name, and names are compared
//! in every step along a path.

use core::arch::naked_asm;

/// C's `memcmp`, eight bytes at a time.
///
/// # Safety
/// As in C: both areas valid for `length` bytes.
// SAFETY: nothing else in the image has this name but the library's version, which gives way to another.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    naked_asm!(
        "sub rdx, 8",
        "jb 3f",
        "2: mov rax, [rdi]",
        "mov rcx, [rsi]",
        "cmp rax, rcx",
        "jne 6f",
        "add rdi, 8",
        "add rsi, 8",
        "sub rdx, 8",
        "jae 2b",
        // What is left: rdx is its length less eight.
        "3: test dl, 4",
        "jz 4f",
        "mov eax, [rdi]",
        "mov ecx, [rsi]",
        "cmp eax, ecx",
        "jne 6f",
        "add rdi, 4",
        "add rsi, 4",
        "4: test dl, 2",
        "jz 5f",
        "movzx eax, word ptr [rdi]",
        "movzx ecx, word ptr [rsi]",
        "cmp eax, ecx",
        "jne 6f",
        "add rdi, 2",
        "add rsi, 2",
        "5: xor eax, eax",
        "test dl, 1",
        "jz 7f",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "ret",
        // They differ: the first byte in memory, the lowest, decides.
        "6: bswap rax",
        "bswap rcx",
        "cmp rax, rcx",
        "sbb eax, eax",
        "or eax, 1",
        "7: ret",
    )
}

/// BSD's `bcmp`, which the compiler prefers where only equality counts.
///
/// # Safety
/// As [`memcmp`].
// SAFETY: as there.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    naked_asm!("jmp {memcmp}", memcmp = sym memcmp)
}
