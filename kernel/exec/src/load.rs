//! Putting a program's file into an address space.
//!
//! Nothing is copied but what cannot be mapped: the bytes of a page that is partly the file's and
//! partly zeros. The rest appears as the program touches it.

use alloc::sync::Arc;
use core::ops::Range;

use errno::{Errno, Result};
use fs::{File, MountFlags};
use machine::PAGE_SIZE;
use vm::{Backing, Force, MapFlags, MapRequest, MapSource, Mm, Prot};

use crate::elf::{HEADER_SIZE, Header, Placement, Program, Segment};
use crate::file::{read_at, read_exactly};

/// An ELF file that has been read and not yet mapped.
pub(crate) struct Elf {
    file: Arc<File>,
    backing: Arc<dyn Backing>,
    may_execute: bool,
    /// The file header.
    pub header: Header,
    /// The program headers.
    pub program: Program,
}

/// Where a program came to be.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// How far it was moved.
    pub bias: usize,
    /// Its first instruction.
    pub entry: usize,
    /// Its program headers, 0 if they are not in memory.
    pub headers: usize,
    /// How many there are.
    pub header_count: usize,
    /// The code, from the first executable byte to the last.
    pub code: Range<usize>,
    /// The data, from the first writable byte of the file to the last.
    pub data: Range<usize>,
    /// The first page after everything.
    pub end: usize,
}

impl Elf {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// ENOEXEC: not a program for this machine. ENOMEM, and those of the file.
    pub(crate) fn read(file: Arc<File>) -> Result<Self> {
        let mut start = [0; HEADER_SIZE];
        let length = read_at(&file, &mut start, 0)?;
        let header = Header::parse(&start[..length])?;
        let table = header.table()?;
        let bytes = read_exactly(&file, (table.end - table.start) as usize, table.start)?;
        let program = header.parse_table(&bytes)?;
        let backing = file.backing().map_err(|_| Errno::ENOEXEC)?;
        let noexec = file.path().mount().flags().contains(MountFlags::NOEXEC);
        Ok(Self { file, backing, may_execute: !noexec, header, program })
    }

    /// The path of its interpreter.
    ///
    /// # Errors
    /// ENOEXEC: it is not a string. Those of the file.
    pub(crate) fn interpreter(&self) -> Result<Option<alloc::vec::Vec<u8>>> {
        let Some(range) = self.program.interpreter.clone() else {
            return Ok(None);
        };
        let mut path = read_exactly(&self.file, (range.end - range.start) as usize, range.start)?;
        let end = path.iter().position(|&byte| byte == 0).ok_or(Errno::ENOEXEC)?;
        path.truncate(end);
        Ok(Some(path))
    }

    /// What the file is as a mapping sees it.
    pub(crate) fn backing(&self) -> &Arc<dyn Backing> {
        &self.backing
    }

    /// Maps it into an address space that does not run yet. A program that may be anywhere goes to
    /// `base`, or where there is room.
    ///
    /// # Errors
    /// ENOMEM; EEXIST: something is where it has to be; ENOEXEC: the file is shorter than it says;
    /// and what mapping gives.
    pub(crate) fn map(&self, mm: &Mm, base: Option<usize>) -> Result<Loaded> {
        let span = self.program.span();
        let bias = match self.header.placement {
            Placement::Fixed => {
                mm.find_room(Some(span.start), span.len())?;
                0
            }
            Placement::Relocatable => mm.find_room(base, span.len())?.wrapping_sub(span.start),
        };
        // For all of them there is room: nobody else maps anything here.
        for segment in &self.program.segments {
            self.map_segment(mm, segment, bias)?;
        }
        Ok(self.describe(bias, bias.wrapping_add(span.end)))
    }

    fn map_segment(&self, mm: &Mm, segment: &Segment, bias: usize) -> Result<()> {
        let prot = prot_of(segment);
        let start = bias.wrapping_add(segment.address);
        let end = start + segment.memory_size;
        let file_end = start + segment.file_size;
        let first_page = page_down(start);
        let mut zeros_from = first_page;
        if segment.file_size > 0 {
            let in_page = (start - first_page) as u64;
            let source = MapSource::File {
                backing: self.backing.clone(),
                offset: segment.offset - in_page,
                may_write: false,
                may_execute: self.may_execute,
            };
            zeros_from = file_end.next_multiple_of(PAGE_SIZE);
            map_fixed(mm, first_page..zeros_from, prot, source)?;
        }
        let last_page = end.next_multiple_of(PAGE_SIZE);
        if last_page > zeros_from {
            map_fixed(mm, zeros_from..last_page, prot, MapSource::Anonymous)?;
        }
        // The rest of the file's last page is the file's next bytes, which a program that has more
        // memory than file expects to be zeros.
        let tail = zeros_from.min(end).saturating_sub(file_end);
        if segment.file_size > 0 && tail > 0 && segment.write {
            clear(mm, file_end, zeros_from - file_end)?;
        }
        Ok(())
    }

    fn describe(&self, bias: usize, end: usize) -> Loaded {
        let moved = |address: usize| bias.wrapping_add(address);
        let mut code: Option<Range<usize>> = None;
        let mut data: Option<Range<usize>> = None;
        for segment in &self.program.segments {
            let file_end = moved(segment.address + segment.file_size);
            let kind = if segment.execute { &mut code } else { &mut data };
            if segment.execute || segment.write {
                let start = kind.as_ref().map_or(moved(segment.address), |range| range.start);
                *kind = Some(start..file_end);
            }
        }
        let nowhere = moved(self.program.span().start);
        Loaded {
            bias,
            entry: moved(self.header.entry),
            headers: self.program.headers_address.map_or(0, moved),
            header_count: self.program.headers,
            code: code.unwrap_or(nowhere..nowhere),
            data: data.unwrap_or(nowhere..nowhere),
            end,
        }
    }
}

const fn page_down(address: usize) -> usize {
    address & !(PAGE_SIZE - 1)
}

fn prot_of(segment: &Segment) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, segment.read);
    prot.set(Prot::WRITE, segment.write);
    prot.set(Prot::EXEC, segment.execute);
    prot
}

fn map_fixed(mm: &Mm, range: Range<usize>, prot: Prot, source: MapSource) -> Result<()> {
    mm.mmap(&MapRequest {
        address: range.start,
        length: range.len(),
        prot,
        flags: MapFlags::PRIVATE | MapFlags::FIXED,
        source,
    })?;
    Ok(())
}

/// Writes zeros into memory that no CPU has loaded.
fn clear(mm: &Mm, address: usize, length: usize) -> Result<()> {
    static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
    debug_assert!(length < PAGE_SIZE, "only a page's tail is cleared");
    if mm.write_remote(address, &ZEROS[..length], Force::No) < length {
        return Err(Errno::ENOEXEC);
    }
    Ok(())
}
