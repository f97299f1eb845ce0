//! What to pass to system calls.

use core::hint::black_box;

use runtime::random::Random;

/// Words of memory that workers offer for the kernel to read and write.
pub(crate) const ARENA_WORDS: usize = 1024;

/// Addresses in the kernel's half that are passed on purpose, each bit turned round: what lies in this program's memory can be read by a
/// call as numbers of groups or what a file is to hold, and come back from another call at an odd place.
const INVERTED_KERNEL_ADDRESSES: [usize; 5] = [
    !0xffff_8000_0000_0000,
    !0xffff_8880_0000_1000,
    !0xffff_ffff_8000_0000,
    !0xffff_ffff_8010_0008,
    !0xffff_ffff_ffe0_0000,
];

/// Pointers that are wrong in every way that there is, but for those into the kernel's half.
const BAD_USER_POINTERS: [usize; 7] =
    [0, 1, 0xfff, 0x7fff_ffff_f000, 0x7fff_ffff_ffff, 0x8000_0000_0000, 0x8000_0000_0000_0000];

/// How many [bad pointers](bad_pointer) there are.
pub(crate) const BAD_POINTERS: usize = BAD_USER_POINTERS.len() + INVERTED_KERNEL_ADDRESSES.len();

/// A pointer that is wrong, below [`BAD_POINTERS`].
pub(crate) fn bad_pointer(index: usize) -> usize {
    match index.checked_sub(BAD_USER_POINTERS.len()) {
        None => BAD_USER_POINTERS[index],
        // Not known to the compiler, which would put the address itself into the program.
        Some(index) => !black_box(INVERTED_KERNEL_ADDRESSES[index]),
    }
}

/// Whether we pass this address ourselves.
pub(crate) fn is_ours(address: usize) -> bool {
    INVERTED_KERNEL_ADDRESSES.contains(&!address)
}

const NUMBERS: [usize; 22] = [
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    63,
    64,
    100,
    255,
    4095,
    4096,
    0x2000,
    0xffff,
    0x10_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    usize::MAX >> 1,
    usize::MAX,
];

/// `/tmp/victim` may be a program: what is done to it must not hit one that others need.
const PATHS: [&core::ffi::CStr; 12] = [
    c"/",
    c"",
    c"/tmp/a",
    c"/tmp/b",
    c"/tmp/a/b",
    c"/dev/null",
    c"/dev/zero",
    c"/proc/self/stat",
    c"/proc/self/maps",
    c"/proc/meminfo",
    c"/proc/self/fd",
    c"/tmp/victim",
];

/// One argument by chance: a number, a descriptor, flags, a path, or a pointer, good or bad.
pub(crate) fn choose(random: &mut Random, arena: usize) -> usize {
    match random.below(16) {
        0..4 => random.pick(&NUMBERS),
        4..7 => random.below(12) as usize,
        7 => 1 << random.below(32),
        8 => random.number() as usize & 0xffff_ffff,
        9 => bad_pointer(random.below(BAD_POINTERS as u64) as usize),
        10 => random.pick(&PATHS).as_ptr() as usize,
        // The end of the arena, which must not be passed.
        11 => arena + (ARENA_WORDS - random.below(16) as usize) * 8,
        _ => arena + random.below(ARENA_WORDS as u64 / 2) as usize * 8,
    }
}
