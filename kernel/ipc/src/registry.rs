//! Objects of one kind, by key and by number.
//!
//! A number is an object's place, and above that a count of how often the places have been gone through: so an old
//! number does not find a new object, and small places stay in use for `*_STAT`, which goes through them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::permissions::Create;

/// The most objects of a kind there can be (`IPCMNI`).
pub const PLACES: usize = 1 << 15;

/// Counts of rounds stay below this, so that numbers stay positive.
const ROUNDS: usize = i32::MAX as usize / PLACES + 1;

/// Places are used one after the other before they are used again, at least so many.
const SHORTEST_ROUND: usize = 64;

/// `IPC_PRIVATE`: an object that has no key.
pub const PRIVATE: i32 = 0;

struct Entry<T> {
    number: i32,
    key: i32,
    object: Arc<T>,
}

struct Table<T> {
    by_place: BTreeMap<usize, Entry<T>>,
    places: BTreeMap<i32, usize>,
    /// The place that was given last.
    last: Option<usize>,
    round: usize,
}

impl<T> Table<T> {
    fn with_key(&self, key: i32) -> Option<Arc<T>> {
        let place = self.places.get(&key)?;
        self.by_place.get(place).map(|entry| entry.object.clone())
    }

    fn with_number(&self, number: i32) -> Option<(usize, &Entry<T>)> {
        let place = usize::try_from(number).ok()? % PLACES;
        let entry = self.by_place.get(&place).filter(|entry| entry.number == number)?;
        Some((place, entry))
    }

    /// A free place and the number that goes with it.
    fn next_number(&mut self, most: usize) -> Result<(usize, i32)> {
        let used = self.by_place.len();
        if used >= most {
            return Err(Errno::ENOSPC);
        }
        // Of more places than objects, one at least is free.
        let round = (used * 3 / 2).max(SHORTEST_ROUND).min(most);
        let is_free = |place: &usize| !self.by_place.contains_key(place);
        let after = self.last.map_or(0, |last| last + 1);
        let place = (after..round).find(is_free).or_else(|| (0..most).find(is_free));
        let place = place.ok_or(Errno::ENOSPC)?;
        if self.last.is_some_and(|last| place <= last) {
            self.round = (self.round + 1) % ROUNDS;
        }
        self.last = Some(place);
        Ok((place, (self.round * PLACES + place) as i32))
    }
}

/// The objects of one kind.
pub(crate) struct Registry<T> {
    table: SpinLock<Table<T>>,
}

impl<T> Registry<T> {
    pub(crate) const fn new(class: &'static LockClass) -> Self {
        let table =
            Table { by_place: BTreeMap::new(), places: BTreeMap::new(), last: None, round: 0 };
        Self { table: SpinLock::new(class, table) }
    }

    /// The object with a key, which may be made for it. `fits` says whether one that is there will do. `prepare` gets
    /// together what a new one needs, and what it returns makes that with its number, under the registry's lock. There
    /// may be `most`.
    ///
    /// # Errors
    /// ENOENT, EEXIST, ENOSPC; those of `fits` and `prepare`.
    pub(crate) fn get<F: FnOnce(i32) -> T>(
        &self,
        key: i32,
        create: Create,
        most: usize,
        fits: impl Fn(&T) -> Result<()>,
        prepare: impl Fn() -> Result<F>,
    ) -> Result<Arc<T>> {
        loop {
            let found = if key == PRIVATE { None } else { self.table.lock().with_key(key) };
            if let Some(found) = found {
                if create.make && create.exclusive {
                    return Err(Errno::EEXIST);
                }
                fits(&found)?;
                return Ok(found);
            }
            if key != PRIVATE && !create.make {
                return Err(Errno::ENOENT);
            }
            let make = prepare()?;
            let mut table = self.table.lock();
            if table.places.contains_key(&key) {
                // Somebody has made one in between.
                continue;
            }
            let (place, number) = table.next_number(most)?;
            let object = Arc::new(make(number));
            table.by_place.insert(place, Entry { number, key, object: object.clone() });
            if key != PRIVATE {
                table.places.insert(key, place);
            }
            return Ok(object);
        }
    }

    /// The object with a number.
    ///
    /// # Errors
    /// EINVAL.
    pub(crate) fn find(&self, number: i32) -> Result<Arc<T>> {
        let table = self.table.lock();
        let (_, entry) = table.with_number(number).ok_or(Errno::EINVAL)?;
        Ok(entry.object.clone())
    }

    /// The object in a place.
    ///
    /// # Errors
    /// EINVAL.
    pub(crate) fn at(&self, place: i32) -> Result<Arc<T>> {
        let place = usize::try_from(place).map_err(|_| Errno::EINVAL)?;
        let table = self.table.lock();
        table.by_place.get(&place).map(|entry| entry.object.clone()).ok_or(Errno::EINVAL)
    }

    /// The highest place that is taken; 0 also if none is.
    pub(crate) fn highest_place(&self) -> usize {
        self.table.lock().by_place.last_key_value().map_or(0, |(&place, _)| place)
    }

    /// All objects, in the order of their places. Without memory, and without the lock in between: what comes and goes
    /// meanwhile may be among them or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Arc<T>> {
        let mut next = 0;
        core::iter::from_fn(move || {
            let table = self.table.lock();
            let (&place, entry) = table.by_place.range(next..).next()?;
            next = place + 1;
            Some(entry.object.clone())
        })
    }

    /// Takes an object out; None if it is not there any more.
    pub(crate) fn remove(&self, number: i32) -> Option<Arc<T>> {
        let mut table = self.table.lock();
        let (place, _) = table.with_number(number)?;
        let entry = table.by_place.remove(&place)?;
        if entry.key != PRIVATE {
            table.places.remove(&entry.key);
        }
        Some(entry.object)
    }

    /// Takes an object's key away: only its number finds it from now on.
    pub(crate) fn take_key(&self, number: i32) {
        let mut table = self.table.lock();
        let Some((place, _)) = table.with_number(number) else { return };
        let key = table
            .by_place
            .get_mut(&place)
            .map_or(PRIVATE, |entry| core::mem::replace(&mut entry.key, PRIVATE));
        if key != PRIVATE {
            table.places.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    static LOCK: LockClass = LockClass::new("ipc.registry.test");
    const MAKE: Create = Create { make: true, exclusive: false, mode: 0o600 };

    fn get(registry: &Registry<i32>, key: i32, create: Create, most: usize) -> Result<i32> {
        registry.get(key, create, most, |_| Ok(()), || Ok(|number| number)).map(|object| *object)
    }

    #[test]
    fn a_key_finds_what_was_made_for_it() {
        let registry = Registry::new(&LOCK);
        let look = Create { make: false, ..MAKE };
        assert_eq!(get(&registry, 7, look, 10), Err(Errno::ENOENT));
        let number = get(&registry, 7, MAKE, 10).unwrap();
        assert_eq!(get(&registry, 7, look, 10), Ok(number));
        assert_eq!(get(&registry, 7, Create { exclusive: true, ..MAKE }, 10), Err(Errno::EEXIST));
        let refuse = registry.get(7, MAKE, 10, |_| Err(Errno::EACCES), || Ok(|number| number));
        assert_eq!(refuse.err(), Some(Errno::EACCES));
        assert_ne!(get(&registry, PRIVATE, look, 10), get(&registry, PRIVATE, look, 10));
        registry.take_key(number);
        assert_eq!(get(&registry, 7, look, 10), Err(Errno::ENOENT));
        assert_eq!(registry.find(number).as_deref(), Ok(&number));
        assert_ne!(get(&registry, 7, MAKE, 10), Ok(number));
    }

    #[test]
    fn old_numbers_find_nothing_new() {
        let registry = Registry::new(&LOCK);
        let mut old = Vec::new();
        for _ in 0..3 * SHORTEST_ROUND {
            let number = get(&registry, PRIVATE, MAKE, PLACES).unwrap();
            assert!(number >= 0 && !old.contains(&number), "{number} again");
            assert!((number as usize % PLACES) < SHORTEST_ROUND, "places are used again");
            assert!(registry.remove(number).is_some());
            assert!(registry.remove(number).is_none());
            old.push(number);
        }
        assert!(old.iter().all(|&number| registry.find(number).err() == Some(Errno::EINVAL)));
        assert_eq!(registry.find(-1).err(), Some(Errno::EINVAL));
    }

    #[test]
    fn no_more_than_there_may_be() {
        let registry = Registry::new(&LOCK);
        let numbers: Vec<_> = (0..5).map(|_| get(&registry, PRIVATE, MAKE, 5).unwrap()).collect();
        assert_eq!(get(&registry, PRIVATE, MAKE, 5), Err(Errno::ENOSPC));
        assert_eq!(registry.highest_place(), 4);
        assert_eq!(registry.at(3).as_deref(), Ok(&numbers[3]));
        assert_eq!(registry.at(5).err(), Some(Errno::EINVAL));
        registry.remove(numbers[1]);
        let again = get(&registry, PRIVATE, MAKE, 5).unwrap();
        assert_eq!(again as usize % PLACES, 1);
        assert_ne!(again, numbers[1]);
        assert_eq!(registry.iter().count(), 5);
    }

    #[test]
    fn rounds_begin_again_before_numbers_become_negative() {
        let registry = Registry::new(&LOCK);
        registry.table.lock().round = ROUNDS - 1;
        registry.table.lock().last = Some(3);
        assert_eq!(get(&registry, PRIVATE, MAKE, 3), Ok(0));
    }
}
