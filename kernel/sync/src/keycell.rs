//! Cells that one key opens: what lists of shared objects are made of.

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Claimed by no key.
const FREE: usize = 0;

/// The number that the next key gets.
static NEXT: AtomicUsize = AtomicUsize::new(FREE + 1);

/// Opens the [`KeyCell`]s that it has claimed. It lies beside the structure that the cells' owners are linked into, under
/// that structure's lock, and so whoever holds the lock may use the links of all members.
///
/// No two keys are alike: a key cannot be copied, and takes its number at its first claim.
#[derive(Debug)]
pub struct Key {
    number: usize,
    /// A shared borrow of a key gives shared borrows of values that need not be `Sync`: it stays on one CPU.
    not_sync: PhantomData<Cell<()>>,
}

impl Key {
    /// A key that has claimed nothing.
    pub const fn new() -> Self {
        Self { number: FREE, not_sync: PhantomData }
    }

    /// Claims a cell, if no key has it. What the last key's holder wrote there is seen.
    #[inline]
    pub fn claim<T>(&mut self, cell: &KeyCell<T>) -> bool {
        if self.number == FREE {
            self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        machine::irq::point();
        // Acquire pairs with the Release in `release`.
        cell.owner.compare_exchange(FREE, self.number, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Gives a cell back, for another key or this one to claim.
    ///
    /// # Panics
    /// If it is not this key's.
    #[inline]
    pub fn release<T>(&mut self, cell: &KeyCell<T>) {
        assert!(self.holds(cell), "a cell is given back that the key does not hold");
        // Release: the next holder sees what this one wrote.
        cell.owner.store(FREE, Ordering::Release);
        machine::irq::point();
    }

    /// Whether this key has claimed the cell.
    #[inline]
    pub fn holds<T>(&self, cell: &KeyCell<T>) -> bool {
        // Relaxed: only this key's own holder, or one before it under the same lock, stores this number.
        self.number != FREE && cell.owner.load(Ordering::Relaxed) == self.number
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that is reached with the key that has claimed the cell, and with no other.
#[derive(Debug)]
pub struct KeyCell<T> {
    /// The number of the key that has claimed it, or [`FREE`].
    owner: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a borrow of the one key whose number is in `owner`, which is not `Sync`
// and so is used by one CPU at a time; a value that goes from one key to another is handed over by Release
// and Acquire on `owner`. So sharing the cell moves the value between CPUs, which `T: Send` allows.
unsafe impl<T: Send> Sync for KeyCell<T> {}

impl<T> KeyCell<T> {
    /// A cell that no key has claimed.
    pub const fn new(value: T) -> Self {
        Self { owner: AtomicUsize::new(FREE), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Panics
    /// If it is not this key's.
    #[inline]
    pub fn get<'a>(&'a self, key: &'a Key) -> &'a T {
        assert!(key.holds(self), "a cell is opened with the wrong key");
        // SAFETY: the cell is this key's, and stays so while the key is borrowed: giving it back takes an exclusive
        // borrow. A mutable borrow of any value of this key is one of the key, so there is none.
        unsafe { &*self.value.get() }
    }

    /// The value, to be changed.
    ///
    /// # Panics
    /// If it is not this key's.
    #[inline]
    pub fn get_mut<'a>(&'a self, key: &'a mut Key) -> &'a mut T {
        assert!(key.holds(self), "a cell is opened with the wrong key");
        // SAFETY: the cell is this key's, and the key is borrowed exclusively for as long as the result lives, so
        // no other borrow of any of its values exists.
        unsafe { &mut *self.value.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyCell};

    #[test]
    fn one_key_at_a_time() {
        let cell = KeyCell::new(1);
        let (mut a, mut b) = (Key::new(), Key::new());
        assert!(a.claim(&cell));
        assert!(!b.claim(&cell) && !a.claim(&cell));
        *cell.get_mut(&mut a) += 1;
        a.release(&cell);
        assert!(!a.holds(&cell) && b.claim(&cell));
        assert_eq!(*cell.get(&b), 2);
    }

    #[test]
    #[should_panic(expected = "wrong key")]
    fn another_key_opens_nothing() {
        let cell = KeyCell::new(1);
        let (mut a, mut b) = (Key::new(), Key::new());
        assert!(a.claim(&cell) && b.claim(&KeyCell::new(2)));
        cell.get_mut(&mut b);
    }

    #[test]
    #[should_panic(expected = "wrong key")]
    fn a_key_that_claimed_nothing_opens_nothing() {
        KeyCell::new(1).get(&Key::new());
    }
}
