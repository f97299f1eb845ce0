//! What only assembly can do: finding the page, reading the counter.

use core::arch::asm;

use vvar::{Reader, Words};

/// The clock page.
#[inline]
pub(crate) fn clock_page() -> Reader<'static> {
    let page: *const Words;
    // SAFETY: computes an address. The linker script puts the symbol where the kernel maps the page, for as long as the
    // program leaves it there, and nobody but the kernel writes it.
    Reader::new(unsafe {
        asm!("lea {}, [rip + clock_page]", out(reg) page, options(pure, nomem, nostack, preserves_flags));
        &*page
    })
}

/// The time-stamp counter, not before what the program has loaded by then.
#[inline]
pub(crate) fn counter() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: every x86-64 processor has these, and they change nothing.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags));
    }
    high << 32 | low
}

/// What the kernel has each CPU say of itself.
#[inline]
pub(crate) fn place() -> u32 {
    let place: u32;
    // SAFETY: the page says that the processor has it.
    unsafe {
        asm!("rdtscp", out("ecx") place, out("eax") _, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    place
}
