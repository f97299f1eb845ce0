//! Where the tables of an address space hang, so that its end need not search them for each other.
//!
//! A table hangs on the entry that leads to it. The first few entries are noted as they are filled, and that is all of them for
//! most programs: three or four levels lead to a handful of places. Looking for them costs a look at every entry of every table.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// So many are noted.
const NOTED: usize = 16;

/// The entries that lead to an address space's tables.
#[derive(Debug)]
pub(crate) struct Links {
    noted: [AtomicPtr<AtomicU64>; NOTED],
    /// How many there are; those beyond [`NOTED`] are only counted.
    count: AtomicUsize,
}

impl Links {
    pub(crate) const fn new() -> Self {
        Self { noted: [const { AtomicPtr::new(null_mut()) }; NOTED], count: AtomicUsize::new(0) }
    }

    /// Notes an entry that the caller has just filled, of a table of this address space.
    pub(crate) fn note(&self, entry: &AtomicU64) {
        let number = self.count.fetch_add(1, Relaxed);
        if let Some(place) = self.noted.get(number) {
            place.store(core::ptr::from_ref(entry).cast_mut(), Relaxed);
        }
    }

    /// Empties all noted entries and hands over what was in them, each once, the physical address of a table and its bits. False, and
    /// nothing happens: not all of them are noted.
    ///
    /// # Safety
    /// The tables whose entries were noted are still there, nobody else uses them, and `sink` alone gives them up.
    pub(crate) unsafe fn take(&mut self, sink: impl FnMut(u64)) -> bool {
        let count = *self.count.get_mut();
        let mut taken = [0; NOTED];
        let Some(taken) = taken.get_mut(..count) else { return false };
        // Before any table is given up: the entries are in them.
        for (link, entry) in taken.iter_mut().zip(&mut self.noted) {
            // SAFETY: it points into a table, which is still there by the caller's word.
            let entry = unsafe { &**entry.get_mut() };
            *link = entry.load(Relaxed);
            entry.store(0, Relaxed);
        }
        // An entry may have been noted twice, or lead to nothing any more: large pages come and go.
        taken.iter().copied().filter(|link| *link != 0).for_each(sink);
        *self.count.get_mut() = 0;
        true
    }
}
