//! When two addresses are the same memory, for futexes that several programs share.

use contract::PAGE_SIZE;
use errno::Errno;

use crate::mm::Mm;

/// What names the memory at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutexPlace {
    /// The address itself, within its address space.
    Private,
    /// A place in what all who map it share.
    Shared {
        /// [`Backing::futex_object`](crate::Backing::futex_object) of the file or shared memory.
        object: u64,
        /// How far from its start, in bytes.
        offset: u64,
    },
}

impl Mm {
    /// What names the memory at an address. May sleep.
    ///
    /// # Errors
    /// EFAULT: nothing is mapped there.
    pub fn futex_place(&self, address: usize) -> Result<FutexPlace, Errno> {
        let state = self.state.read();
        let vma = state.mappings.find(address).ok_or(Errno::EFAULT)?;
        let Some(backing) = vma.backing().filter(|_| vma.is_shared()) else {
            return Ok(FutexPlace::Private);
        };
        let object = backing.futex_object();
        let page = address & !(PAGE_SIZE - 1);
        let offset = vma.index_of(page) * PAGE_SIZE as u64 + (address - page) as u64;
        Ok(FutexPlace::Shared { object, offset })
    }
}
