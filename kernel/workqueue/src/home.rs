//! Where a pending item is.

use core::sync::atomic::{
    AtomicU8, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// The kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// In none, or on its way between two.
    Nowhere = 0,
    /// Its timer runs.
    Timer = 1,
    /// On its pool's list: the next free worker takes it.
    Active = 2,
    /// Held back in its queue's part of the pool, because enough of the queue's items are active.
    Inactive = 3,
    /// On no list: whoever runs it passes it on.
    Deferred = 4,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// The pool's number.
    pub(crate) pool: u32,
    /// The queue's row in the pool.
    pub(crate) slot: u32,
    /// The colour under which a flush counts it.
    pub(crate) colour: u8,
    pub(crate) place: Place,
}

/// What an item carries of it. Changed by the owner of `PENDING`, under the lock of the pool that it names. Without that lock
/// it is a guess, to be looked at again under it. The guess may be of parts that never were together; the second look, under the
/// lock of the pool that was guessed, then finds another pool: that is written before the place.
pub(crate) struct HomeCell {
    pool: AtomicU32,
    slot: AtomicU32,
    colour: AtomicU8,
    place: AtomicU8,
}

impl HomeCell {
    pub(crate) const fn new() -> Self {
        Self {
            pool: AtomicU32::new(0),
            slot: AtomicU32::new(0),
            colour: AtomicU8::new(0),
            place: AtomicU8::new(Place::Nowhere as u8),
        }
    }

    pub(crate) fn get(&self) -> Home {
        Home {
            pool: self.pool.load(Relaxed),
            slot: self.slot(),
            colour: self.colour(),
            // Acquire, and last, pairs with the Release in `set_place`: who sees a new place, and looks again, sees the new pool, too.
            place: match self.place.load(Acquire) {
                1 => Place::Timer,
                2 => Place::Active,
                3 => Place::Inactive,
                4 => Place::Deferred,
                _ => Place::Nowhere,
            },
        }
    }

    #[inline]
    pub(crate) fn slot(&self) -> u32 {
        self.slot.load(Relaxed)
    }

    #[inline]
    pub(crate) fn colour(&self) -> u8 {
        self.colour.load(Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, home: Home) {
        self.pool.store(home.pool, Relaxed);
        self.slot.store(home.slot, Relaxed);
        self.colour.store(home.colour, Relaxed);
        self.set_place(home.place);
    }

    #[inline]
    pub(crate) fn set_place(&self, place: Place) {
        self.place.store(place as u8, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Home, HomeCell, Place};

    #[test]
    fn a_home_comes_back_as_it_was() {
        let word = HomeCell::new();
        assert_eq!(word.get().place, Place::Nowhere);
        let home = Home { pool: 70_000, slot: 65_535, colour: 15, place: Place::Deferred };
        word.set(home);
        assert_eq!(word.get(), home);
        word.set_place(Place::Timer);
        assert_eq!(word.get(), Home { place: Place::Timer, ..home });
    }
}
