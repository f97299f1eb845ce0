//! The first instructions of every CPU, up to 64-bit code in the higher half.
//!
//! The boot CPU comes in through the PVH note: 32-bit protected mode without paging, EBX at the start
//! information. The others come out of real mode through the trampoline, a copy of which is put into
//! the first megabyte. Both meet in `long_mode_32`, which turns paging on with tables that are part of
//! the image, so that no instruction is spent on making them: the first gigabyte, at its physical
//! address, in the direct map, and in the image's mapping. [`crate::paging`] replaces them at once.

use crate::layout::{IMAGE_BASE, TRAMPOLINE};
use crate::thread::STACK_SIZE;
use core::arch::global_asm;

global_asm!(
    r#"
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18                       // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_start - {image}

    .section .boot.text, "ax"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    mov edi, ebx
    mov esi, offset boot_cpu_64 - {image}
    jmp long_mode_32

other_cpu_32:
    mov esi, offset other_cpu_64 - {image}
long_mode_32:
    mov eax, cr4
    or eax, 0x20                         // PAE
    mov cr4, eax
    mov eax, offset boot_tables - {image}
    mov cr3, eax
    mov ecx, 0xc0000080                  // EFER: SYSCALL, long mode, no-execute
    rdmsr
    or eax, 0x901
    wrmsr
    mov eax, 0x80050033                  // paging, alignment mask, write protect, native FPU errors
    mov cr0, eax
    lgdt [boot_gdt_pointer - {image}]
    .byte 0xea                           // far jump to 64-bit code
    .long long_mode_64 - {image}
    .word 0x10

    .code64
long_mode_64:
    mov eax, 0x18
    mov ss, eax
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov esi, esi
    mov rax, {image}
    add rax, rsi
    jmp rax

    // Loaders clear .bss, too; but one that has too little memory for both has put the initial file system over it then, and the kernel is
    // to be able to say so.
boot_cpu_64:
    mov ebx, edi
    lea rdi, [rip + __bss_start]
    lea rcx, [rip + __image_end]
    sub rcx, rdi
    shr rcx, 3
    xor eax, eax
    rep stosq
    mov edi, ebx
    lea rsp, [rip + boot_stack + {stack_size}]
    xor ebp, ebp
    call {start}
    ud2

    // GS base is the CPU's data; from then on the CPU's own stack can be found.
other_cpu_64:
    mov rdi, [rip + {starting_cpu}]
    mov rsp, [rip + {starting_stack}]
    mov rax, [rip + {starting_tables}]
    mov cr3, rax
    xor ebp, ebp
    call {start_other}
    ud2

    .section .rodata.boot, "a"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff             // 0x08: 32-bit code
    .quad 0x00af9b000000ffff             // 0x10: 64-bit code
    .quad 0x00cf93000000ffff             // 0x18: data
boot_gdt_pointer:
    .word 31
    .quad boot_gdt - {image}

    .global trampoline_start
    .global trampoline_end
    .code16
trampoline_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    .byte 0x66, 0x0f, 0x01, 0x16         // lgdt with a 32-bit base
    .word {trampoline} + trampoline_gdt_pointer - trampoline_start
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea                     // far jump to 32-bit code
    .long trampoline_32 - trampoline_start + {trampoline}
    .word 0x08
    .code32
trampoline_32:
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, offset other_cpu_32 - {image}
    jmp eax
    .balign 4
trampoline_gdt_pointer:
    .word 31
    .long boot_gdt - {image}
trampoline_end:
    .code64

    .section .data.boot, "aw"
    .balign 4096
boot_tables:
    .quad boot_low - {image} + 3
    .fill {direct_slot} - 1, 8, 0
    .quad boot_low - {image} + 3
    .fill 510 - {direct_slot}, 8, 0
    .quad boot_high - {image} + 3
boot_low:
    .quad boot_gigabyte - {image} + 3
    .fill 511, 8, 0
boot_high:
    .fill 510, 8, 0
    .quad boot_gigabyte - {image} + 3
    .quad 0
boot_gigabyte:
    .set page, 0
    .rept 512
    .quad page + 0x83
    .set page, page + 0x200000
    .endr

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_stack_guard:
    .skip 4096
    .global boot_stack
boot_stack:
    .skip {stack_size}
"#,
    image = const IMAGE_BASE,
    stack_size = const STACK_SIZE,
    trampoline = const TRAMPOLINE,
    direct_slot = const (crate::layout::DIRECT_BASE >> 39) & 511,
    start = sym crate::boot::start,
    start_other = sym crate::smp::start_other,
    starting_cpu = sym crate::smp::STARTING_CPU,
    starting_stack = sym crate::smp::STARTING_STACK,
    starting_tables = sym crate::smp::STARTING_TABLES,
);

unsafe extern "C" {
    static boot_stack: u8;
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// The first address of the stack that the boot CPU starts on; the page below it is its guard.
pub(crate) fn boot_stack_start() -> usize {
    &raw const boot_stack as usize
}

/// The code that is put at [`TRAMPOLINE`].
pub(crate) fn trampoline() -> &'static [u8] {
    let start = &raw const trampoline_start;
    let length = &raw const trampoline_end as usize - start as usize;
    // SAFETY: the two symbols bound read-only bytes of the image.
    unsafe { core::slice::from_raw_parts(start, length) }
}
