//! What a directory knows by name, found fast: a path is walked by looking names up here.
//!
//! Names are compared as numbers that are made of them. Two names that make the same number are rare, unless somebody is looking for
//! such; they share a slot, and are told apart in it in the slow way, so that even a directory full of them is searched in
//! logarithmic time.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use crate::dentry::Name;

/// What there is for one number.
enum Slot<V> {
    One(Name, V),
    Several(BTreeMap<Name, V>),
}

/// Values by name.
pub(crate) struct Children<V> {
    slots: BTreeMap<u64, Slot<V>>,
}

/// The number of a name.
#[inline]
fn number_of(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let whole = words.iter().fold(0, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    // The last bytes, some of them twice; so names of different lengths can look the same here, but not to `mix`.
    let tail = match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(whole, tail ^ name.len() as u64)
}

impl<V> Children<V> {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self { slots: BTreeMap::new() }
    }

    /// What is known by a name.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<&V> {
        self.get_by(number_of(name), name)
    }

    /// Makes something known by a name, and returns what was before.
    pub(crate) fn insert(&mut self, name: Name, value: V) -> Option<V> {
        self.insert_by(number_of(&name), name, value)
    }

    /// Stops knowing a name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<V> {
        self.remove_by(number_of(name), name)
    }

    /// Calls a function with everything that is known.
    pub(crate) fn for_each_mut(&mut self, mut function: impl FnMut(&mut V)) {
        for slot in self.slots.values_mut() {
            match slot {
                Slot::One(_, value) => function(value),
                Slot::Several(values) => values.values_mut().for_each(&mut function),
            }
        }
    }

    #[inline]
    fn get_by(&self, number: u64, name: &[u8]) -> Option<&V> {
        match self.slots.get(&number)? {
            Slot::One(only, value) => (**only == *name).then_some(value),
            Slot::Several(values) => values.get(name),
        }
    }

    fn insert_by(&mut self, number: u64, name: Name, value: V) -> Option<V> {
        let mut entry = match self.slots.entry(number) {
            Entry::Vacant(place) => {
                place.insert(Slot::One(name, value));
                return None;
            }
            Entry::Occupied(entry) => entry,
        };
        match entry.get_mut() {
            Slot::One(only, old) if *only == name => Some(core::mem::replace(old, value)),
            Slot::Several(values) => values.insert(name, value),
            slot => {
                let mut both = BTreeMap::from([(name, value)]);
                if let Slot::One(name, value) =
                    core::mem::replace(slot, Slot::Several(BTreeMap::new()))
                {
                    both.insert(name, value);
                }
                *slot = Slot::Several(both);
                None
            }
        }
    }

    fn remove_by(&mut self, number: u64, name: &[u8]) -> Option<V> {
        let Entry::Occupied(mut entry) = self.slots.entry(number) else { return None };
        match entry.get_mut() {
            Slot::One(only, _) if **only != *name => None,
            Slot::One(..) => match entry.remove() {
                Slot::One(_, value) => Some(value),
                Slot::Several(_) => None,
            },
            Slot::Several(values) => {
                let removed = values.remove(name);
                if values.is_empty() {
                    entry.remove();
                }
                removed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_their_numbers() {
        let names: [&[u8]; 8] =
            [b"a", b"b", b"ab", b"ba", b"abcdefgh", b"abcdefghi", b"abcdefgi", b"hgfedcba"];
        let mut children = Children::new();
        for (index, name) in names.iter().enumerate() {
            assert_eq!(children.insert(Name::from(*name), index), None);
        }
        for (index, name) in names.iter().enumerate() {
            assert_eq!(children.get(name), Some(&index));
        }
        assert_eq!(children.insert(Name::from(*b"ab"), 9), Some(2));
        assert_eq!(children.remove(b"ab"), Some(9));
        assert_eq!(children.get(b"ab"), None);
        assert_eq!(children.remove(b"ab"), None);
        assert_eq!(children.slots.len(), 7, "each has a slot of its own");
    }

    #[test]
    fn names_of_one_number_are_told_apart() {
        let mut children = Children::new();
        assert_eq!(children.insert_by(1, Name::from(*b"one"), 1), None);
        assert_eq!(children.get_by(1, b"two"), None);
        assert_eq!(children.remove_by(1, b"two"), None);
        assert_eq!(children.insert_by(1, Name::from(*b"two"), 2), None);
        assert_eq!(children.insert_by(1, Name::from(*b"three"), 3), None);
        assert_eq!(children.insert_by(1, Name::from(*b"two"), 4), Some(2));
        let mut sum = 0;
        children.for_each_mut(|value| sum += *value);
        assert_eq!(sum, 1 + 3 + 4);
        assert_eq!(
            [b"one", b"two"].map(|name| children.get_by(1, name).copied()),
            [Some(1), Some(4)]
        );
        for (name, value) in [(&b"one"[..], 1), (b"three", 3), (b"two", 4)] {
            assert_eq!(children.remove_by(1, name), Some(value));
            assert_eq!(children.get_by(1, name), None);
        }
        assert!(children.slots.is_empty());
    }
}
