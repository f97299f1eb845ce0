//! What an ELF file says about itself, read from bytes that nobody vouches for.
//!
//! The parser looks at the file header first, which says where the program headers are, and at
//! those when the caller has read them. It allocates a list no longer than the file's own table,
//! which is bounded, and every sum is checked: a file that lies gives an error.

use alloc::vec::Vec;
use core::ops::Range;

use errno::{Errno, Result};
use machine::PAGE_SIZE;
use machine::user::USER_END;

/// The length of an ELF64 file header.
pub const HEADER_SIZE: usize = 64;

/// The length of one program header.
const ENTRY_SIZE: usize = 56;
/// The longest table of program headers that is read, as in Linux.
const TABLE_MAX: usize = 64 * 1024;
/// The longest path of an interpreter, its final NUL included.
const INTERPRETER_MAX: u64 = 4096;

const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;

const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Where a program's addresses are meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Exactly as the file says.
    Fixed,
    /// Anywhere, all moved by one distance.
    Relocatable,
}

/// The file header, as far as loading needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it wants to be.
    pub placement: Placement,
    /// The first instruction, before relocation.
    pub entry: usize,
    table: u64,
    entries: usize,
}

/// A piece of the program that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its bytes are in the file.
    pub offset: u64,
    /// Where they go, before relocation. As far into its page as `offset` is into its own.
    pub address: usize,
    /// How many bytes the file has.
    pub file_size: usize,
    /// How many bytes it has in memory; those that the file has not are zero.
    pub memory_size: usize,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

/// The program headers, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What is loaded, in ascending order, at least one. No two share a byte.
    pub segments: Vec<Segment>,
    /// Where in the file the interpreter's path is.
    pub interpreter: Option<Range<u64>>,
    /// Whether the stack may be executed.
    pub executable_stack: bool,
    /// Where the program headers are in memory, before relocation, if they are loaded at all.
    pub headers_address: Option<usize>,
    /// How many program headers there are.
    pub headers: usize,
}

impl Header {
    /// Reads a file's first [`HEADER_SIZE`] bytes.
    ///
    /// # Errors
    /// ENOEXEC: not an ELF64 program for this architecture.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes = Bytes(bytes);
        let fits = bytes.0.starts_with(b"\x7fELF")
            && bytes.0.get(4) == Some(&CLASS_64)
            && bytes.0.get(5) == Some(&LITTLE_ENDIAN)
            && bytes.u16(18)? == MACHINE
            && usize::from(bytes.u16(54)?) == ENTRY_SIZE;
        if !fits {
            return Err(Errno::ENOEXEC);
        }
        let placement = match bytes.u16(16)? {
            ET_EXEC => Placement::Fixed,
            ET_DYN => Placement::Relocatable,
            _ => return Err(Errno::ENOEXEC),
        };
        let entries = usize::from(bytes.u16(56)?);
        if entries == 0 || entries * ENTRY_SIZE > TABLE_MAX {
            return Err(Errno::ENOEXEC);
        }
        Ok(Self { placement, entry: bytes.u64(24)? as usize, table: bytes.u64(32)?, entries })
    }

    /// Where in the file the program headers are.
    ///
    /// # Errors
    /// ENOEXEC: nowhere that a file can reach.
    pub fn table(&self) -> Result<Range<u64>> {
        let length = (self.entries * ENTRY_SIZE) as u64;
        let end = self.table.checked_add(length).filter(|&end| i64::try_from(end).is_ok());
        Ok(self.table..end.ok_or(Errno::ENOEXEC)?)
    }

    /// Reads the program headers.
    ///
    /// # Errors
    /// ENOEXEC: they cannot be loaded as they are. EINVAL: an interpreter's path of a length that
    /// no path has. ENOMEM.
    pub fn parse_table(&self, bytes: &[u8]) -> Result<Program> {
        if bytes.len() < self.entries * ENTRY_SIZE {
            return Err(Errno::ENOEXEC);
        }
        let mut segments: Vec<Segment> = Vec::new();
        let mut interpreter = None;
        let mut executable_stack = false;
        let mut declared_headers = None;
        for index in 0..self.entries {
            let entry = Bytes(&bytes[index * ENTRY_SIZE..][..ENTRY_SIZE]);
            match entry.u32(0)? {
                PT_LOAD => {
                    let segment = Segment::parse(&entry)?;
                    if segment.memory_size == 0 {
                        continue;
                    }
                    if segments.last().is_some_and(|last| last.end() > segment.address) {
                        return Err(Errno::ENOEXEC);
                    }
                    segments.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    segments.push(segment);
                }
                // As in Linux, the first one counts.
                PT_INTERP if interpreter.is_none() => {
                    let (offset, length) = (entry.u64(8)?, entry.u64(32)?);
                    if !(2..=INTERPRETER_MAX).contains(&length) {
                        return Err(Errno::ENOEXEC);
                    }
                    let end = offset.checked_add(length).ok_or(Errno::ENOEXEC)?;
                    interpreter = Some(offset..end);
                }
                PT_GNU_STACK => executable_stack = entry.u32(4)? & PF_X != 0,
                PT_PHDR => declared_headers = Some(entry.u64(16)? as usize),
                _ => {}
            }
        }
        if segments.is_empty() {
            return Err(Errno::ENOEXEC);
        }
        let headers_address = declared_headers.or_else(|| self.find_table(&segments));
        Ok(Program {
            segments,
            interpreter,
            executable_stack,
            headers_address,
            headers: self.entries,
        })
    }

    /// The address at which a segment loads the program headers.
    fn find_table(&self, segments: &[Segment]) -> Option<usize> {
        segments.iter().find_map(|segment| {
            let distance = self.table.checked_sub(segment.offset)?;
            (distance < segment.file_size as u64)
                .then(|| segment.address.wrapping_add(distance as usize))
        })
    }
}

impl Segment {
    fn parse(entry: &Bytes<'_>) -> Result<Self> {
        let flags = entry.u32(4)?;
        let segment = Self {
            offset: entry.u64(8)?,
            address: entry.u64(16)? as usize,
            file_size: entry.u64(32)? as usize,
            memory_size: entry.u64(40)? as usize,
            read: flags & PF_R != 0,
            write: flags & PF_W != 0,
            execute: flags & PF_X != 0,
        };
        let in_user_memory = segment
            .address
            .checked_add(segment.memory_size)
            .is_some_and(|end| end <= USER_END - PAGE_SIZE);
        let in_file = segment
            .offset
            .checked_add(segment.file_size as u64)
            .is_some_and(|end| i64::try_from(end).is_ok());
        let page_offsets_agree =
            segment.address % PAGE_SIZE == (segment.offset % PAGE_SIZE as u64) as usize;
        if segment.file_size > segment.memory_size
            || !in_user_memory
            || !in_file
            || !page_offsets_agree
        {
            return Err(Errno::ENOEXEC);
        }
        Ok(segment)
    }

    /// The first address after it.
    pub fn end(&self) -> usize {
        self.address + self.memory_size
    }
}

impl Program {
    /// The pages from the first segment's to the last's.
    pub fn span(&self) -> Range<usize> {
        let first = self.segments.first().map_or(0, |segment| segment.address);
        let last = self.segments.last().map_or(0, Segment::end);
        first / PAGE_SIZE * PAGE_SIZE..last.next_multiple_of(PAGE_SIZE)
    }
}

/// Little-endian numbers in a slice.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Errno::ENOEXEC)
    }

    fn u16(&self, at: usize) -> Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
