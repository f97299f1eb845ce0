//! `madvise`, `mincore`, `mlock`.

use core::ops::Range;

use contract::{Access, PAGE_SIZE};
use errno::Errno;

use crate::flags::VmFlags;
use crate::map::page_range;
use crate::mm::{Mm, State};

/// What `madvise` can say, with what it means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// How the pages will be used: nothing follows from it here.
    Usage,
    /// Throw the pages away; private ones are zeros, or the file's, when touched again.
    Discard,
    /// A child gets the mapping, or not.
    Fork(bool),
    /// A child finds the mapping empty, or not.
    WipeOnFork(bool),
    /// Core dumps have it, or not.
    Dump(bool),
    /// Large pages are welcome, or not.
    LargePages(bool),
    /// Fill in for loading.
    PopulateRead,
    /// Fill in for storing.
    PopulateWrite,
}

impl Advice {
    /// From the system call's number.
    ///
    /// # Errors
    /// EINVAL: no such advice, or one that needs what is not here.
    pub fn from_number(number: u32) -> Result<Self, Errno> {
        Ok(match number {
            // NORMAL, RANDOM, SEQUENTIAL, WILLNEED (what files have is in memory), MERGEABLE, UNMERGEABLE, COLD, PAGEOUT.
            0..=3 | 12 | 13 | 20 | 21 => Self::Usage,
            14 => Self::LargePages(true),
            15 => Self::LargePages(false),
            // DONTNEED, and FREE, which allows for what DONTNEED does.
            4 | 8 => Self::Discard,
            10 => Self::Fork(false),
            11 => Self::Fork(true),
            16 => Self::Dump(false),
            17 => Self::Dump(true),
            18 => Self::WipeOnFork(true),
            19 => Self::WipeOnFork(false),
            22 => Self::PopulateRead,
            23 => Self::PopulateWrite,
            _ => return Err(Errno::EINVAL),
        })
    }
}

impl Mm {
    /// Acts on advice about a range. May sleep.
    ///
    /// # Errors
    /// EINVAL: an odd address, or advice that does not fit the mapping. ENOMEM: some of it is not
    /// mapped; the rest is done. EFAULT: it could not be filled in.
    pub fn madvise(&self, address: usize, length: usize, advice: Advice) -> Result<(), Errno> {
        let range = page_range(address, length, Errno::EINVAL)?;
        if range.is_empty() {
            return Ok(());
        }
        match advice {
            Advice::Usage => self.whole(range),
            Advice::Discard => self.discard(range),
            Advice::Fork(copied) => self.set_flag(range, VmFlags::DONT_COPY, !copied),
            Advice::LargePages(welcome) => {
                let (set, clear) = match welcome {
                    true => (VmFlags::HUGE_PAGE, VmFlags::NO_HUGE_PAGE),
                    false => (VmFlags::NO_HUGE_PAGE, VmFlags::HUGE_PAGE),
                };
                self.change_flags(range, |flags| flags.difference(clear) | set)
            }
            Advice::Dump(dumped) => self.set_flag(range, VmFlags::DONT_DUMP, !dumped),
            Advice::WipeOnFork(wipe) => {
                let fits = self
                    .state
                    .read()
                    .mappings
                    .overlapping(range.clone())
                    .all(|vma| !wipe || !vma.is_shared() && vma.backing().is_none());
                if !fits {
                    return Err(Errno::EINVAL);
                }
                self.set_flag(range, VmFlags::WIPE_ON_FORK, wipe)
            }
            Advice::PopulateRead => self.populate_strictly(range, Access::Read),
            Advice::PopulateWrite => self.populate_strictly(range, Access::Write),
        }
    }

    /// Whether each page of a range is in memory, by `sink`, in order. May sleep.
    ///
    /// # Errors
    /// EINVAL: an odd address. ENOMEM: some of it is not mapped.
    pub fn mincore(
        &self,
        address: usize,
        length: usize,
        mut sink: impl FnMut(bool),
    ) -> Result<(), Errno> {
        let range = page_range(address, length, Errno::ENOMEM)?;
        let state = self.state.read();
        if !state.mappings.covers(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        for vma in state.mappings.overlapping(range.clone()) {
            for page in vma.cut_to(range.clone()).range().step_by(PAGE_SIZE) {
                let here = self.space.look_up(page).is_some() || state.parked.contains_key(&page);
                let at_hand =
                    || vma.backing().is_some_and(|b| b.page_at_hand(vma.index_of(page)).is_some());
                sink(here || at_hand());
            }
        }
        Ok(())
    }

    /// Notes that the pages of a range are to stay in memory and fills them in, or that they need
    /// not stay. May sleep.
    ///
    /// # Errors
    /// EINVAL: an odd address. ENOMEM: some of it is not mapped.
    pub fn mlock(&self, address: usize, length: usize, locked: bool) -> Result<(), Errno> {
        let range = page_range(address, length, Errno::EINVAL)?;
        if range.is_empty() {
            return Ok(());
        }
        self.set_flag(range.clone(), VmFlags::LOCKED, locked)?;
        if locked {
            self.populate_range(range);
        }
        Ok(())
    }

    /// As [`mlock`](Self::mlock), for all mappings that there are. May sleep.
    pub fn mlock_all(&self, locked: bool) {
        let all = 0..machine::user::USER_END & !(PAGE_SIZE - 1);
        self.state.write().mappings.update(all, |mut flags| {
            flags.set(VmFlags::LOCKED, locked);
            flags
        });
    }

    fn whole(&self, range: Range<usize>) -> Result<(), Errno> {
        whole(&self.state.read(), range)
    }

    fn set_flag(&self, range: Range<usize>, flag: VmFlags, on: bool) -> Result<(), Errno> {
        self.change_flags(range, |mut flags| {
            flags.set(flag, on);
            flags
        })
    }

    fn change_flags(
        &self,
        range: Range<usize>,
        change: impl Fn(VmFlags) -> VmFlags,
    ) -> Result<(), Errno> {
        let mut state = self.state.write();
        state.mappings.check_room(2)?;
        state.mappings.update(range.clone(), change);
        whole(&state, range)
    }

    fn discard(&self, range: Range<usize>) -> Result<(), Errno> {
        let mut state = self.state.write();
        if state.mappings.overlapping(range.clone()).any(|vma| vma.flags.contains(VmFlags::LOCKED))
        {
            return Err(Errno::EINVAL);
        }
        for vma in state.mappings.overlapping(range.clone()) {
            self.unmap_pages(&vma.cut_to(range.clone()));
        }
        self.drop_parked(&mut state, range.clone());
        whole(&state, range)
    }

    fn populate_strictly(&self, range: Range<usize>, access: Access) -> Result<(), Errno> {
        for address in range.step_by(PAGE_SIZE) {
            if sched::current().fatal_signal_pending() {
                return Err(Errno::EINTR);
            }
            let state = self.state.read();
            let vma = state.mappings.find(address).ok_or(Errno::ENOMEM)?;
            if !vma.allows(access) {
                return Err(Errno::EINVAL);
            }
            self.resolve(vma, address, access).map_err(|error| error.errno())?;
        }
        Ok(())
    }
}

fn whole(state: &State, range: Range<usize>) -> Result<(), Errno> {
    if state.mappings.covers(range) { Ok(()) } else { Err(Errno::ENOMEM) }
}
