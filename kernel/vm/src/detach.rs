//! `shmdt`: unmapping by what is mapped.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use contract::{PAGE_SHIFT, PAGE_SIZE};
use errno::Errno;
use machine::user::USER_END;

use crate::backing::{Backing, Source};
use crate::mm::Mm;

impl Mm {
    /// Removes all that was mapped at an address in one go, by its first piece that is still where it was. `length_of`
    /// gives the length in bytes of what is looked for, and None for what is not. May sleep.
    ///
    /// # Errors
    /// EINVAL: nothing of the kind was mapped there.
    pub fn detach(
        &self,
        address: usize,
        length_of: impl Fn(&dyn Backing) -> Option<usize>,
    ) -> Result<(), Errno> {
        if !address.is_multiple_of(PAGE_SIZE) || address >= USER_END {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.write();
        let is_in_place = |start: usize, first: u64| {
            start.checked_sub(address).is_some_and(|into| (into >> PAGE_SHIFT) as u64 == first)
        };
        let found = state.mappings.overlapping(address..USER_END).find_map(|vma| {
            let Source::File { backing, first } = &vma.source else { return None };
            let length = length_of(&**backing)?;
            is_in_place(vma.range.start, *first).then(|| (backing.clone(), length))
        });
        let (backing, length) = found.ok_or(Errno::EINVAL)?;
        let end = length
            .checked_next_multiple_of(PAGE_SIZE)
            .and_then(|length| address.checked_add(length));
        let pieces: Vec<Range<usize>> = state
            .mappings
            .overlapping(address..end.unwrap_or(USER_END).min(USER_END))
            .filter(|vma| match &vma.source {
                Source::File { backing: other, first } => {
                    Arc::ptr_eq(&backing, other) && is_in_place(vma.range.start, *first)
                }
                Source::Anonymous => false,
            })
            .map(|vma| vma.range())
            .collect();
        for piece in pieces {
            self.unmap_range(&mut state, piece);
        }
        drop(state);
        // Perhaps the last reference: the one to whom it means something does not hold the lock.
        drop(backing);
        Ok(())
    }
}
