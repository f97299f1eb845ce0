//! `mprotect`.

use core::ops::Range;

use contract::Protection;
use errno::Errno;
use memory::Page;

use crate::flags::{Prot, VmFlags};
use crate::map::page_range;
use crate::mm::{Mm, State};
use crate::rss::Kind;
use crate::vma::Vma;

impl Mm {
    /// Changes what the program may do with a range of mappings. May sleep.
    ///
    /// # Errors
    /// EINVAL: an odd address. ENOMEM: some of it is not mapped (what comes before that is
    /// changed), or there is no memory. EACCES: a mapping in it may not be so used.
    pub fn mprotect(&self, address: usize, length: usize, prot: Prot) -> Result<(), Errno> {
        let mut range = page_range(address, length, Errno::ENOMEM)?;
        if range.is_empty() {
            return Ok(());
        }
        let mut state = self.state.write();
        if prot.contains(Prot::GROWSUP) {
            return Err(Errno::EINVAL);
        }
        if prot.contains(Prot::GROWSDOWN) {
            let vma = state.mappings.find_or_above(range.start).ok_or(Errno::ENOMEM)?;
            if !vma.flags.contains(VmFlags::GROWS_DOWN) {
                return Err(Errno::EINVAL);
            }
            range.start = vma.range.start;
        }
        state.mappings.check_room(2)?;
        let wanted = VmFlags::from_prot(prot);
        let mut next = range.start;
        while next < range.end {
            let vma = state.mappings.find(next).ok_or(Errno::ENOMEM)?.cut_to(next..range.end);
            next = vma.range.end;
            self.protect_mapping(&mut state, &vma, wanted)?;
        }
        Ok(())
    }

    /// Changes one mapping or a piece of it.
    fn protect_mapping(&self, state: &mut State, vma: &Vma, wanted: VmFlags) -> Result<(), Errno> {
        if wanted.contains(VmFlags::WRITE) && !vma.flags.contains(VmFlags::MAY_WRITE)
            || wanted.contains(VmFlags::EXEC) && !vma.flags.contains(VmFlags::MAY_EXEC)
        {
            return Err(Errno::EACCES);
        }
        let flags = vma.flags.difference(VmFlags::PROTECTION) | wanted;
        if flags == vma.flags {
            return Ok(());
        }
        if flags.is_data() && !vma.flags.is_data() {
            crate::map::check_limits(state, vma.range(), vma.range.len(), flags)?;
        }
        let range = vma.range();
        if vma.flags.is_inaccessible() {
            self.unpark(state, range.clone(), flags)?;
        } else if flags.is_inaccessible() {
            self.park(state, vma);
        } else if flags.difference(vma.flags) != VmFlags::WRITE {
            // Never writable here: a page may be shared with a child or with a file's cache. The
            // next store asks.
            self.space.protect(range.clone(), flags.read_only());
        }
        state.mappings.update(range, |old| old.difference(VmFlags::PROTECTION) | wanted);
        Ok(())
    }

    /// Takes the program's own pages out of the page tables and keeps them; those of files are
    /// found again when they are needed.
    fn park(&self, state: &mut State, vma: &Vma) {
        if !vma.is_shared() {
            self.space.for_each_mapped(vma.range(), &mut |address, frame, _: Protection| {
                let Some(page) = Page::try_get(frame) else { return };
                if page.is_anonymous() {
                    state.parked.insert(address, page);
                    self.rss.add(Kind::Anonymous);
                }
            });
        }
        self.unmap_pages(vma);
    }

    /// Puts parked pages back. What could not be put back stays parked.
    fn unpark(&self, state: &mut State, range: Range<usize>, flags: VmFlags) -> Result<(), Errno> {
        if flags.is_inaccessible() {
            return Ok(());
        }
        let parked = &mut state.parked;
        while let Some((&address, _)) = parked.range(range.clone()).next() {
            let Some(page) = parked.remove(&address) else { break };
            let _entries = self.entries.lock();
            match self.space.map(address, page.into_frame(), flags.read_only()) {
                Ok(old) => {
                    debug_assert!(old.is_none(), "a page at {address:#x} that nobody may access");
                    old.map(Page::from_frame);
                }
                Err(frame) => {
                    parked.insert(address, Page::from_frame(frame));
                    return Err(Errno::ENOMEM);
                }
            }
        }
        Ok(())
    }
}
