//! The stack that a program starts with.
//!
//! ```text
//!   top ->  8 zero bytes
//!           the program's path (AT_EXECFN)
//!           the environment's strings
//!           the arguments' strings
//!           16 random bytes (AT_RANDOM), the platform's name (AT_PLATFORM)
//!           (down to a multiple of 16)
//!           the auxiliary vector, ended by AT_NULL
//!           pointers to the environment's strings, ended by a null pointer
//!           pointers to the arguments' strings, ended by a null pointer
//!   sp  ->  how many arguments
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use errno::{Errno, Result};
use machine::PAGE_SIZE;

use crate::strings::Strings;

/// Entries of the auxiliary vector, by Linux's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Aux {
    /// The end of the vector.
    Null = 0,
    /// Where the program headers are.
    Headers = 3,
    /// The length of one.
    HeaderSize = 4,
    /// How many there are.
    HeaderCount = 5,
    /// The page size.
    PageSize = 6,
    /// How far the interpreter was moved.
    Base = 7,
    /// Flags: none are defined.
    Flags = 8,
    /// The program's first instruction.
    Entry = 9,
    /// The real user.
    Uid = 11,
    /// The effective user.
    Euid = 12,
    /// The real group.
    Gid = 13,
    /// The effective group.
    Egid = 14,
    /// The machine's name.
    Platform = 15,
    /// What the CPU can do.
    Hwcap = 16,
    /// What `times` counts in, per second.
    ClockTick = 17,
    /// Whether the program got more rights than its caller had.
    Secure = 23,
    /// Sixteen random bytes.
    Random = 25,
    /// More of what the CPU can do.
    Hwcap2 = 26,
    /// The path that was executed.
    ExecFn = 31,
    /// Where the vDSO is.
    SysInfoEhdr = 33,
    /// The least alternate signal stack that will do.
    MinSigStack = 51,
}

/// What goes onto the stack.
pub struct Contents<'a> {
    /// `argv`.
    pub arguments: &'a Strings,
    /// `envp`.
    pub environment: &'a Strings,
    /// The path that was executed.
    pub path: &'a [u8],
    /// Sixteen bytes that nobody can guess.
    pub random: [u8; 16],
    /// The auxiliary vector, but for what lies on the stack itself.
    pub vector: &'a [(Aux, usize)],
}

/// Where things came to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What the stack pointer starts as: a multiple of 16.
    pub stack_pointer: usize,
    /// The arguments' strings.
    pub arguments: Range<usize>,
    /// The environment's strings.
    pub environment: Range<usize>,
    /// The whole auxiliary vector.
    pub vector: Vec<(Aux, usize)>,
}

const PLATFORM: &[u8] = if cfg!(target_arch = "aarch64") { b"aarch64\0" } else { b"x86_64\0" };
const WORD: usize = size_of::<usize>();

impl Contents<'_> {
    /// Writes the stack below `top` by `write(address, bytes)`.
    ///
    /// # Errors
    /// ENOMEM, and what `write` gives. E2BIG: there is no room between `top` and address 0.
    pub fn write(
        &self,
        top: usize,
        write: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<Layout> {
        let below = |from: usize, length: usize| from.checked_sub(length).ok_or(Errno::E2BIG);
        let end_marker = below(top, WORD)?;
        let path = below(end_marker, self.path.len() + 1)?;
        let environment = below(path, self.environment.bytes().len())?;
        let arguments = below(environment, self.arguments.bytes().len())?;
        let platform = below(arguments, PLATFORM.len())?;
        let random = below(platform, self.random.len())?;
        let on_stack =
            [(Aux::Random, random), (Aux::Platform, platform), (Aux::ExecFn, path), (Aux::Null, 0)];

        let words = 1
            + self.arguments.count()
            + 1
            + self.environment.count()
            + 1
            + 2 * (self.vector.len() + on_stack.len());
        let stack_pointer = below(random, words * WORD)? & !15;

        let mut table = Vec::new();
        table.try_reserve_exact(words * WORD).map_err(|_| Errno::ENOMEM)?;
        let mut push = |word: usize| table.extend_from_slice(&word.to_ne_bytes());
        push(self.arguments.count());
        for (strings, start) in [(self.arguments, arguments), (self.environment, environment)] {
            let mut address = start;
            for string in strings.iter() {
                push(address);
                address += string.len() + 1;
            }
            push(0);
        }
        let mut vector = Vec::new();
        vector.try_reserve_exact(self.vector.len() + on_stack.len()).map_err(|_| Errno::ENOMEM)?;
        vector.extend_from_slice(self.vector);
        vector.extend_from_slice(&on_stack);
        for &(entry, value) in &vector {
            push(entry as usize);
            push(value);
        }

        let padding = random - stack_pointer - table.len();
        let mut writer = Writer::new(stack_pointer, write)?;
        writer.push(&table)?;
        writer.push(&[0; 16][..padding])?;
        writer.push(&self.random)?;
        writer.push(PLATFORM)?;
        writer.push(self.arguments.bytes())?;
        writer.push(self.environment.bytes())?;
        writer.push(self.path)?;
        writer.push(&[0])?;
        writer.push(&[0; WORD])?;
        writer.finish()?;
        Ok(Layout {
            stack_pointer,
            arguments: arguments..environment,
            environment: environment..path,
            vector,
        })
    }
}

/// Writes pieces that follow each other, most of them short, in few goes: each go has to find its pages.
struct Writer<W> {
    write: W,
    /// Where what is kept belongs.
    address: usize,
    kept: Vec<u8>,
}

impl<W: FnMut(usize, &[u8]) -> Result<()>> Writer<W> {
    fn new(address: usize, write: W) -> Result<Self> {
        let mut kept = Vec::new();
        kept.try_reserve_exact(PAGE_SIZE).map_err(|_| Errno::ENOMEM)?;
        Ok(Self { write, address, kept })
    }

    fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.kept.len() + piece.len() <= PAGE_SIZE {
            self.kept.extend_from_slice(piece);
            return Ok(());
        }
        self.finish()?;
        (self.write)(self.address, piece)?;
        self.address += piece.len();
        Ok(())
    }

    /// Writes what is kept.
    fn finish(&mut self) -> Result<()> {
        (self.write)(self.address, &self.kept)?;
        self.address += self.kept.len();
        self.kept.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Strings {
        let mut strings = Strings::new();
        for string in list {
            strings.push(string.as_bytes()).unwrap();
        }
        strings
    }

    #[test]
    fn c7_the_first_stack_is_what_a_c_library_expects() {
        const BASE: usize = 0x7000_0000;
        let mut memory = vec![0xaau8; 0x1000];
        let (arguments, environment) = (strings(&["sh", "", "x y"]), strings(&["A=1"]));
        let contents = Contents {
            arguments: &arguments,
            environment: &environment,
            path: b"/bin/sh",
            random: [7; 16],
            vector: &[(Aux::PageSize, 4096)],
        };
        let layout = contents
            .write(BASE + memory.len(), |address, bytes| {
                let at = address - BASE;
                memory[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        let word = |address: usize| {
            usize::from_ne_bytes(memory[address - BASE..][..WORD].try_into().unwrap())
        };
        let string = |address: usize| {
            let bytes = &memory[address - BASE..];
            &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap()]
        };
        let sp = layout.stack_pointer;
        assert_eq!(sp % 16, 0);
        assert_eq!(word(sp), 3);
        assert_eq!(string(word(sp + WORD)), b"sh");
        assert_eq!(string(word(sp + 2 * WORD)), b"");
        assert_eq!(string(word(sp + 3 * WORD)), b"x y");
        assert_eq!(word(sp + 4 * WORD), 0);
        assert_eq!(string(word(sp + 5 * WORD)), b"A=1");
        assert_eq!(word(sp + 6 * WORD), 0);
        assert_eq!((word(sp + 7 * WORD), word(sp + 8 * WORD)), (Aux::PageSize as usize, 4096));
        assert_eq!(word(sp + 9 * WORD), Aux::Random as usize);
        assert_eq!(&memory[word(sp + 10 * WORD) - BASE..][..16], &[7; 16]);
        assert_eq!(string(word(sp + 12 * WORD)), PLATFORM.strip_suffix(b"\0").unwrap());
        assert_eq!(string(word(sp + 14 * WORD)), b"/bin/sh");
        assert_eq!(word(sp + 15 * WORD), Aux::Null as usize);
        assert_eq!(layout.arguments.len(), 8);
        assert_eq!(layout.environment.start, layout.arguments.end);
    }

    #[test]
    fn c7_strings_longer_than_a_page_are_written_like_short_ones() {
        const BASE: usize = 0x7000_0000;
        let mut memory = vec![0xaau8; 0x8000];
        let (long, longer) = ("a".repeat(5000), "b".repeat(9000));
        let (arguments, environment) = (strings(&["x", &long, "y"]), strings(&["A=1", &longer]));
        let contents = Contents {
            arguments: &arguments,
            environment: &environment,
            path: b"/bin/x",
            random: [7; 16],
            vector: &[],
        };
        let top = BASE + memory.len();
        let layout = contents
            .write(top, |address, bytes| {
                let at = address - BASE;
                memory[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        let at = |range: &Range<usize>| &memory[range.start - BASE..range.end - BASE];
        assert_eq!(at(&layout.arguments), arguments.bytes());
        assert_eq!(at(&layout.environment), environment.bytes());
        assert_eq!(at(&(layout.environment.end..top)), b"/bin/x\0\0\0\0\0\0\0\0\0");
        let platform = layout.arguments.start - PLATFORM.len()..layout.arguments.start;
        assert_eq!(at(&platform), PLATFORM);
        assert!(!memory[layout.stack_pointer - BASE..].contains(&0xaa), "nothing is left out");
    }

    #[test]
    fn c7_a_stack_without_room_is_an_error() {
        let none = Strings::new();
        let contents = Contents {
            arguments: &none,
            environment: &none,
            path: b"/init",
            random: [0; 16],
            vector: &[],
        };
        assert_eq!(contents.write(64, |_, _| Ok(())).unwrap_err(), Errno::E2BIG);
    }
}
