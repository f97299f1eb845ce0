//! Where a program's parts are, and how large they may become.

use core::ops::Range;

use contract::PAGE_SIZE;
use machine::user::USER_END;

/// The least and the most room that is left for the stack above the area of mappings.
const STACK_ROOM: Range<usize> = 128 << 20..USER_END / 6 * 5;
/// How far the start of the area of mappings moves at random: 2^28 pages, as in Linux on x86-64.
const RANDOM_PAGES: u64 = 1 << 28;

/// Where the program loader put things. `/proc/PID/stat`, `maps`, `cmdline` and `environ` show it,
/// and `brk` goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Mappings without a wish are placed below this.
    pub mmap_base: usize,
    /// The program's code.
    pub code: (usize, usize),
    /// Its initialised data.
    pub data: (usize, usize),
    /// Where the heap starts.
    pub start_brk: usize,
    /// Where it ends now.
    pub brk: usize,
    /// The stack pointer that the program started with.
    pub start_stack: usize,
    /// The argument strings.
    pub arguments: (usize, usize),
    /// The environment strings.
    pub environment: (usize, usize),
}

impl Layout {
    /// Nothing loaded yet, and mappings placed as for the default stack limit.
    pub fn empty() -> Self {
        Self {
            mmap_base: mmap_base(0, 0),
            code: (0, 0),
            data: (0, 0),
            start_brk: 0,
            brk: 0,
            start_stack: 0,
            arguments: (0, 0),
            environment: (0, 0),
        }
    }
}

/// Where the area of mappings ends: below the room for a stack of `stack_limit` bytes, moved down
/// by a random distance that `random` decides (0: not at all).
pub fn mmap_base(stack_limit: u64, random: u64) -> usize {
    let wanted = usize::try_from(stack_limit).unwrap_or(usize::MAX);
    let room = wanted.saturating_add(RANDOM_STACK).clamp(STACK_ROOM.start, STACK_ROOM.end);
    let moved = (random % RANDOM_PAGES) as usize * PAGE_SIZE;
    (USER_END - room - moved) & !(PAGE_SIZE - 1)
}

/// Room for the random part of the stack's own place, 16 GiB as in Linux on x86-64, and the guard
/// gap.
const RANDOM_STACK: usize = (16 << 30) + crate::mappings::GUARD_GAP;

/// The resource limits that concern memory, in bytes; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `RLIMIT_AS`: all mappings.
    pub address_space: u64,
    /// `RLIMIT_DATA`: private writable mappings and the heap.
    pub data: u64,
    /// `RLIMIT_STACK`: a mapping that grows down.
    pub stack: u64,
}

impl Default for Limits {
    /// Linux's: 8 MiB of stack, the rest unlimited.
    fn default() -> Self {
        Self { address_space: u64::MAX, data: u64::MAX, stack: 8 << 20 }
    }
}
