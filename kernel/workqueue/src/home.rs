//! Where a pending item is, packed into a word of the item.

use core::sync::atomic::{AtomicU64, Ordering};

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
    /// The queue's row in the pool, below 2^16.
    pub(crate) slot: u32,
    /// The colour under which a flush counts it.
    pub(crate) colour: u8,
    pub(crate) place: Place,
}

/// The word. Changed by the owner of `PENDING`, under the lock of the pool that it names.
pub(crate) struct HomeWord(AtomicU64);

impl HomeWord {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn get(&self) -> Home {
        let word = self.0.load(Ordering::Acquire);
        Home {
            pool: (word >> 32) as u32,
            slot: (word >> 16) as u32 & 0xffff,
            colour: (word >> 8) as u8,
            place: match word as u8 {
                1 => Place::Timer,
                2 => Place::Active,
                3 => Place::Inactive,
                4 => Place::Deferred,
                _ => Place::Nowhere,
            },
        }
    }

    #[inline]
    pub(crate) fn set(&self, home: Home) {
        let word = u64::from(home.pool) << 32
            | u64::from(home.slot & 0xffff) << 16
            | u64::from(home.colour) << 8
            | home.place as u64;
        self.0.store(word, Ordering::Release);
    }

    pub(crate) fn set_place(&self, place: Place) {
        self.set(Home { place, ..self.get() });
    }
}

#[cfg(test)]
mod tests {
    use super::{Home, HomeWord, Place};

    #[test]
    fn a_home_comes_back_as_it_was() {
        let word = HomeWord::new();
        assert_eq!(word.get().place, Place::Nowhere);
        let home = Home { pool: 70_000, slot: 65_535, colour: 15, place: Place::Deferred };
        word.set(home);
        assert_eq!(word.get(), home);
        word.set_place(Place::Timer);
        assert_eq!(word.get(), Home { place: Place::Timer, ..home });
    }
}
