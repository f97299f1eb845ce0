//! Where a pending item is.

use core::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

/// The kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// In none, or on its way between two.
    Nowhere = 0,
    /// Its timer runs.
    Timer = 1,
    /// In its pool: on the pool's list, or held back in its queue's row because enough of the queue's items are active. Which of the two,
    /// the lists know.
    Queued = 2,
    /// On no list: whoever runs it passes it on.
    Deferred = 3,
}

/// A place, in one word: the pool's number, the queue's row there (the slot), the colour under which a flush counts the item, and
/// the kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u64);

const POOL: u32 = 32;
const SLOT: u32 = 16;
const COLOUR: u32 = 8;

impl Home {
    /// Queued in a row, under colour 0.
    pub(crate) const fn queued(pool: u32, slot: u16) -> Self {
        Self((pool as u64) << POOL | (slot as u64) << SLOT | Place::Queued as u64)
    }

    /// This one under another colour.
    pub(crate) const fn under(self, colour: u8) -> Self {
        Self(self.0 & !(0xff << COLOUR) | (colour as u64) << COLOUR)
    }

    const fn at(self, place: Place) -> Self {
        Self(self.0 & !0xff | place as u64)
    }

    pub(crate) const fn pool(self) -> u32 {
        (self.0 >> POOL) as u32
    }

    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        (self.0 >> SLOT & 0xffff) as u32
    }

    #[inline]
    pub(crate) const fn colour(self) -> u8 {
        (self.0 >> COLOUR & 0xff) as u8
    }

    pub(crate) const fn place(self) -> Place {
        match self.0 & 0xff {
            1 => Place::Timer,
            2 => Place::Queued,
            3 => Place::Deferred,
            _ => Place::Nowhere,
        }
    }
}

/// What an item carries of it. Changed by the owner of `PENDING`, and if it names a pool, under that pool's lock. Without that lock
/// it is a guess, to be looked at again under it.
pub(crate) struct HomeCell(AtomicU64);

impl HomeCell {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(Place::Nowhere as u64))
    }

    #[inline]
    pub(crate) fn get(&self) -> Home {
        // Acquire pairs with the Release in `set`: who sees that it is somewhere sees what was done before.
        Home(self.0.load(Acquire))
    }

    #[inline]
    pub(crate) fn set(&self, home: Home) {
        self.0.store(home.0, Release);
    }

    pub(crate) fn set_place(&self, place: Place) {
        // Only the owner of `PENDING` changes it.
        self.set(self.get().at(place));
    }
}

#[cfg(test)]
mod tests {
    use super::{Home, HomeCell, Place};

    #[test]
    fn a_home_comes_back_as_it_was() {
        let cell = HomeCell::new();
        assert_eq!(cell.get().place(), Place::Nowhere);
        let home = Home::queued(70_000, 65_535).under(15);
        cell.set(home);
        assert_eq!(cell.get(), home);
        let parts = |home: Home| (home.pool(), home.slot(), home.colour(), home.place());
        assert_eq!(parts(home), (70_000, 65_535, 15, Place::Queued));
        for place in [Place::Timer, Place::Deferred, Place::Nowhere, Place::Queued] {
            cell.set_place(place);
            assert_eq!(parts(cell.get()), (70_000, 65_535, 15, place));
        }
    }
}
