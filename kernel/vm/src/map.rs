//! `mmap` and `munmap`.

use alloc::sync::Arc;
use core::ops::Range;

use contract::{Access, PAGE_SHIFT, PAGE_SIZE};
use errno::Errno;
use machine::user::USER_END;

use crate::backing::{Backing, SharedMemory, Source};
use crate::flags::{MapFlags, Prot, VmFlags};
use crate::mappings::LOWEST;
use crate::mm::{Mm, State};
use crate::vma::Vma;

/// What to map.
#[derive(Clone)]
pub enum MapSource {
    /// Memory of the program's own, or shared with its children.
    Anonymous,
    /// A file.
    File {
        /// Which.
        backing: Arc<dyn Backing>,
        /// From which byte on.
        offset: u64,
        /// Whether a shared mapping may be stored into: whether the file is open for writing.
        may_write: bool,
        /// Whether it may be executed: not so on a file system mounted `noexec`.
        may_execute: bool,
    },
    /// Pages of the kernel's for the program to look at, from the first on.
    Kernel {
        /// Which.
        backing: Arc<dyn Backing>,
        /// Whether the program may have a copy to store into: so with code, for a debugger's sake.
        may_copy: bool,
    },
}

/// The arguments of `mmap`.
#[derive(Clone)]
pub struct MapRequest {
    /// Where, or 0.
    pub address: usize,
    /// How many bytes.
    pub length: usize,
    /// What the program may do with it.
    pub prot: Prot,
    /// How. `ANONYMOUS` is decided by `source`.
    pub flags: MapFlags,
    /// What.
    pub source: MapSource,
}

/// Rounds up to whole pages; `None` if that is more than there are addresses.
pub(crate) fn page_up(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(PAGE_SIZE)
}

/// The pages of a range that a system call was given: it starts at a page boundary and ends within
/// user addresses.
///
/// # Errors
/// EINVAL if it does not start so, `beyond` if it does not end so.
pub(crate) fn page_range(
    address: usize,
    length: usize,
    beyond: Errno,
) -> Result<Range<usize>, Errno> {
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let end = page_up(length).and_then(|length| address.checked_add(length)).ok_or(beyond)?;
    if end > USER_END {
        return Err(beyond);
    }
    Ok(address..end)
}

impl Mm {
    /// Makes a mapping and returns its address. May sleep.
    ///
    /// # Errors
    /// EINVAL: no length, an odd address or offset, neither shared nor private. ENOMEM: no room, no
    /// memory, over a limit. EEXIST: `FIXED_NOREPLACE` and something is there. EPERM: `FIXED` below
    /// the lowest address that may be mapped, or execution from a file that may not be executed.
    /// EACCES: a shared writable mapping of a file that is not open for writing. EOVERFLOW: beyond
    /// what a file can have.
    pub fn mmap(&self, request: &MapRequest) -> Result<usize, Errno> {
        let length = match page_up(request.length) {
            Some(0) => return Err(Errno::EINVAL),
            Some(length) if length <= USER_END => length,
            _ => return Err(Errno::ENOMEM),
        };
        if request.flags.contains(MapFlags::HUGETLB) {
            return Err(Errno::ENOMEM);
        }
        let (flags, source) = describe(request, length)?;
        let mut state = self.state.write();
        let (range, replaces) = place(&state, request.address, request.flags, length)?;
        let replaced = if replaces { state.mappings.mapped_in(range.clone()) } else { 0 };
        check_limits(&state, range.clone(), replaced, flags)?;
        state.mappings.check_room(2)?;
        if replaces {
            self.unmap_range(&mut state, range.clone());
        }
        state.mappings.insert(Vma { range: range.clone(), flags, source });
        state.note_peak();
        drop(state);
        let locked = flags.contains(VmFlags::LOCKED);
        let wanted = request.flags.contains(MapFlags::POPULATE)
            && !request.flags.contains(MapFlags::NONBLOCK);
        if locked || wanted {
            self.populate_range(range.clone());
        }
        Ok(range.start)
    }

    /// Where mappings that take `length` bytes in all, whole pages, can go: at an address, or where there is room. It is kept for
    /// nobody: this is for the program loader, whose address space nobody else knows. May sleep.
    ///
    /// # Errors
    /// ENOMEM: no room, or over the limit of addresses. EEXIST: something is there. EPERM: below the lowest address that may be
    /// mapped.
    pub fn find_room(&self, address: Option<usize>, length: usize) -> Result<usize, Errno> {
        let flags = match address {
            Some(_) => MapFlags::FIXED_NOREPLACE,
            None => MapFlags::empty(),
        };
        let state = self.state.read();
        let (range, _) = place(&state, address.unwrap_or(0), flags, length)?;
        check_limits(&state, range.clone(), 0, VmFlags::empty())?;
        Ok(range.start)
    }

    /// Removes what is mapped in a range; that nothing is, is no error. May sleep.
    ///
    /// # Errors
    /// EINVAL: not a range of user pages. ENOMEM: cutting a mapping in two would make too many.
    pub fn munmap(&self, address: usize, length: usize) -> Result<(), Errno> {
        let range = page_range(address, length, Errno::EINVAL)?;
        if range.is_empty() {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.write();
        let splits = state
            .mappings
            .find(range.start)
            .is_some_and(|vma| vma.range.start < range.start && vma.range.end > range.end);
        if splits {
            state.mappings.check_room(1)?;
        }
        self.unmap_range(&mut state, range);
        Ok(())
    }

    /// Touches every page of a range as the program will: to store where it may. What cannot be had
    /// is left for the program to run into, and all that is left if it is killed meanwhile.
    pub(crate) fn populate_range(&self, range: Range<usize>) {
        for address in range.step_by(PAGE_SIZE) {
            if sched::current().fatal_signal_pending() {
                return;
            }
            let state = self.state.read();
            let Some(vma) = state.mappings.find(address) else { return };
            let access = if vma.is_private_writable() { Access::Write } else { Access::Read };
            if !vma.allows(access) || self.resolve(vma, address, access).is_err() {
                return;
            }
        }
    }
}

/// The mapping's flags and source.
fn describe(request: &MapRequest, length: usize) -> Result<(VmFlags, Source), Errno> {
    let shared =
        match (request.flags.contains(MapFlags::SHARED), request.flags.contains(MapFlags::PRIVATE))
        {
            (false, false) => return Err(Errno::EINVAL),
            // Both bits are MAP_SHARED_VALIDATE.
            (shared, _) => shared,
        };
    let mut flags = VmFlags::from_prot(request.prot) | VmFlags::MAY_WRITE | VmFlags::MAY_EXEC;
    flags.set(VmFlags::SHARED, shared);
    flags.set(VmFlags::LOCKED, request.flags.contains(MapFlags::LOCKED));
    flags.set(VmFlags::NO_RESERVE, request.flags.contains(MapFlags::NORESERVE));
    let grows_down = request.flags.contains(MapFlags::GROWSDOWN);
    let source = match &request.source {
        MapSource::Anonymous if shared && grows_down => return Err(Errno::EINVAL),
        MapSource::Anonymous if shared => Source::File {
            backing: Arc::new(SharedMemory::new((length >> PAGE_SHIFT) as u64)),
            first: 0,
        },
        MapSource::Anonymous => {
            flags.set(VmFlags::GROWS_DOWN, grows_down);
            Source::Anonymous
        }
        MapSource::File { backing, offset, may_write, may_execute } => {
            if !offset.is_multiple_of(PAGE_SIZE as u64) {
                return Err(Errno::EINVAL);
            }
            if offset.checked_add(length as u64).is_none_or(|end| end > i64::MAX as u64) {
                return Err(Errno::EOVERFLOW);
            }
            if shared && !may_write {
                if flags.contains(VmFlags::WRITE) {
                    return Err(Errno::EACCES);
                }
                flags.remove(VmFlags::MAY_WRITE);
            }
            if !may_execute {
                if flags.contains(VmFlags::EXEC) {
                    return Err(Errno::EPERM);
                }
                flags.remove(VmFlags::MAY_EXEC);
            }
            Source::File { backing: backing.clone(), first: offset >> PAGE_SHIFT }
        }
        MapSource::Kernel { backing, may_copy } => {
            if !may_copy {
                flags.remove(VmFlags::MAY_WRITE);
                flags.insert(VmFlags::DONT_DUMP);
            }
            Source::File { backing: backing.clone(), first: 0 }
        }
    };
    Ok((flags, source))
}

/// Where a mapping goes, and whether something may be there.
fn place(
    state: &State,
    address: usize,
    flags: MapFlags,
    length: usize,
) -> Result<(Range<usize>, bool), Errno> {
    let no_replace = flags.contains(MapFlags::FIXED_NOREPLACE);
    if no_replace || flags.contains(MapFlags::FIXED) {
        let range = page_range(address, length, Errno::ENOMEM)?;
        if range.start < LOWEST {
            return Err(Errno::EPERM);
        }
        if no_replace && !state.mappings.is_free(range.clone()) {
            return Err(Errno::EEXIST);
        }
        return Ok((range, !no_replace));
    }
    let wish = page_up(address).unwrap_or(0);
    if wish >= LOWEST
        && wish.checked_add(length).is_some_and(|end| end <= USER_END)
        && state.mappings.has_gap(wish..wish + length)
    {
        return Ok((wish..wish + length, false));
    }
    let start = state
        .mappings
        .find_gap(length, state.layout.mmap_base, USER_END & !(PAGE_SIZE - 1))
        .ok_or(Errno::ENOMEM)?;
    Ok((start..start + length, false))
}

/// Whether a mapping of these flags may be added in place of what is in the range, so many bytes.
pub(crate) fn check_limits(
    state: &State,
    range: Range<usize>,
    replaced: usize,
    flags: VmFlags,
) -> Result<(), Errno> {
    let bytes = range.len() as u64;
    let totals = state.mappings.totals();
    let all = (totals.all * PAGE_SIZE - replaced) as u64 + bytes;
    if all > state.limits.address_space {
        return Err(Errno::ENOMEM);
    }
    if flags.is_data() {
        if (totals.data * PAGE_SIZE) as u64 + bytes > state.limits.data {
            return Err(Errno::ENOMEM);
        }
        // Linux's heuristic overcommit: only what can never be is refused.
        if !flags.contains(VmFlags::NO_RESERVE) && range.len() > memory::total_bytes() {
            return Err(Errno::ENOMEM);
        }
    }
    Ok(())
}
