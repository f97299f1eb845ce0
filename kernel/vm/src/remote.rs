//! Another program's memory: for `/proc/PID/mem`, `cmdline` and `environ`, for ptrace, and for the
//! program loader, which fills an address space that no CPU has loaded.

use contract::{Access, PAGE_SIZE};
use machine::user::USER_END;
use memory::Page;

use crate::error::FaultError;
use crate::flags::VmFlags;
use crate::mm::{Mm, State};
use crate::vma::Vma;

/// Whose rules hold for an access to another program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// The program's own: what it may not do fails.
    No,
    /// A debugger's: code may be overwritten, and becomes the program's own by that; what it may
    /// not read can be read.
    Yes,
}

/// How often a page that is changed under our hands is looked for again.
const ATTEMPTS: usize = 16;

impl Mm {
    /// Copies memory out, from an address on, and returns how many bytes could be read. May sleep.
    pub fn read_remote(&self, address: usize, buffer: &mut [u8], force: Force) -> usize {
        let length = buffer.len();
        self.each_page(address, length, Access::Read, force, &mut |page, offset, part| {
            page.read(offset, &mut buffer[part]);
        })
    }

    /// Copies bytes in, from an address on, and returns how many could be written. May sleep.
    pub fn write_remote(&self, address: usize, bytes: &[u8], force: Force) -> usize {
        self.each_page(address, bytes.len(), Access::Write, force, &mut |page, offset, part| {
            page.write(offset, &bytes[part]);
        })
    }

    /// Hands `copy` each page of a range, with the offset in it and the part of the range that it
    /// holds. Returns how much of the range that was.
    fn each_page(
        &self,
        address: usize,
        length: usize,
        access: Access,
        force: Force,
        copy: &mut dyn FnMut(&Page, usize, core::ops::Range<usize>),
    ) -> usize {
        let mut done = 0;
        while done < length {
            let at = match address.checked_add(done) {
                Some(at) if at < USER_END => at,
                _ => break,
            };
            let offset = at % PAGE_SIZE;
            let part = done..length.min(done + PAGE_SIZE - offset);
            let end = part.end;
            let outcome = self.with_page(at - offset, access, force, &mut |page| {
                copy(page, offset, part.clone());
            });
            if outcome.is_err() {
                break;
            }
            done = end;
        }
        done
    }

    /// Runs `body` on the page at an address, once, after it was made fit for the access.
    fn with_page(
        &self,
        address: usize,
        access: Access,
        force: Force,
        body: &mut dyn FnMut(&Page),
    ) -> Result<(), FaultError> {
        if self.state.read().mappings.find(address).is_none() {
            self.grow_stack(address)?;
        }
        let state = self.state.read();
        let vma = state.mappings.find(address).ok_or(FaultError::SegvMaperr)?;
        check(vma, access, force)?;
        if vma.flags.is_inaccessible() {
            let page = parked(&state, address)?;
            body(&page);
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            self.resolve(vma, address, access)?;
            let _entries = self.entries.lock();
            let Some((frame, protection)) = self.space.look_up(address) else { continue };
            let Some(page) = Page::try_get(frame) else { continue };
            // The entry's reference and `page`: a copy that only this program sees, although it may
            // not store itself.
            let own = page.is_anonymous() && page.reference_count() == 2;
            if access != Access::Write || protection.write || own {
                body(&page);
                return Ok(());
            }
        }
        Err(FaultError::Oom)
    }
}

fn check(vma: &Vma, access: Access, force: Force) -> Result<(), FaultError> {
    let allowed = vma.allows(access)
        || force == Force::Yes
            && (access != Access::Write
                || !vma.is_shared() && vma.flags.contains(VmFlags::MAY_WRITE));
    if allowed { Ok(()) } else { Err(FaultError::SegvAccerr) }
}

/// The page of a mapping that may not be accessed at all, which a debugger sees nevertheless.
fn parked(state: &State, address: usize) -> Result<Page, FaultError> {
    state.parked.get(&address).cloned().ok_or(FaultError::SegvAccerr)
}
