//! The area that a thread registers, and two sequences.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use runtime::sys::{self, number};
use runtime::{Result, error};

/// What stands before the place where an interrupted sequence goes on. As the C library's: a program has one.
pub(crate) const SIGNATURE: u32 = 0x5305_3053;
pub(crate) const UNREGISTER: usize = 1;
pub(crate) const AREA_SIZE: usize = 32;

/// `struct rseq`
#[repr(C, align(32))]
pub(crate) struct Area {
    pub(crate) cpu_id_start: AtomicU32,
    pub(crate) cpu_id: AtomicU32,
    pub(crate) sequence: AtomicUsize,
    pub(crate) flags: AtomicU32,
    padding: [u32; 3],
}

/// A counter of one CPU, on a cache line of its own.
#[repr(align(64))]
pub(crate) struct Counter(pub(crate) AtomicU64);

/// `rseq`
pub(crate) fn rseq(area: usize, length: usize, flags: usize, signature: u32) -> Result<()> {
    // SAFETY: the kernel writes to the area only, which lives as long as the thread is registered.
    error::check(unsafe {
        sys::call(number::RSEQ, [area, length, flags, signature as usize, 0, 0])
    })
    .map(drop)
}

impl Area {
    pub(crate) const fn new() -> Self {
        Self {
            cpu_id_start: AtomicU32::new(0),
            cpu_id: AtomicU32::new(u32::MAX),
            sequence: AtomicUsize::new(0),
            flags: AtomicU32::new(0),
            padding: [0; 3],
        }
    }

    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(crate) fn register(&self) -> Result<()> {
        rseq(self.address(), AREA_SIZE, 0, SIGNATURE)
    }

    pub(crate) fn unregister(&self) -> Result<()> {
        rseq(self.address(), AREA_SIZE, UNREGISTER, SIGNATURE)
    }

    /// Adds one to the counter of the CPU that this runs on, with ordinary loads and stores and some time between them; false: it
    /// was interrupted, and nothing is added.
    pub(crate) fn try_add(&self, counters: &[Counter], turns: u32) -> bool {
        assert!((self.cpu_id_start.load(Relaxed) as usize) < counters.len());
        let interrupted: u32;
        // SAFETY: stores to the area and to one of the counters, which the kernel's number of the CPU names.
        unsafe {
            asm!(
                ".pushsection .data.sequences, \"aw\"",
                ".balign 32",
                "5: .long 0, 0",
                ".quad 2f, 3f - 2f, 4f",
                ".popsection",
                "lea {value}, [rip + 5b]",
                "mov [{area} + 8], {value}",
                "2:",
                "mov {cpu:e}, [{area} + 4]",
                "shl {cpu}, 6",
                "mov {value}, [{counters} + {cpu}]",
                "6:",
                "dec {turns:e}",
                "jnz 6b",
                "inc {value}",
                "mov [{counters} + {cpu}], {value}",
                "3:",
                "xor {turns:e}, {turns:e}",
                "jmp 7f",
                ".long {signature}",
                "4:",
                "mov {turns:e}, 1",
                "7:",
                area = in(reg) self,
                counters = in(reg) counters.as_ptr(),
                value = out(reg) _,
                cpu = out(reg) _,
                turns = inout(reg) turns => interrupted,
                signature = const SIGNATURE,
                options(nostack),
            );
        }
        interrupted == 0
    }

    /// A sequence that ends only by being interrupted.
    pub(crate) fn wait_for_interruption(&self) {
        // SAFETY: stores to the area only.
        unsafe {
            asm!(
                ".pushsection .data.sequences, \"aw\"",
                ".balign 32",
                "5: .long 0, 0",
                ".quad 2f, 3f - 2f, 4f",
                ".popsection",
                "lea {descriptor}, [rip + 5b]",
                "mov [{area} + 8], {descriptor}",
                "2:",
                "pause",
                "jmp 2b",
                "3:",
                "ud2",
                ".long {signature}",
                "4:",
                area = in(reg) self,
                descriptor = out(reg) _,
                signature = const SIGNATURE,
                options(nostack),
            );
        }
    }
}
