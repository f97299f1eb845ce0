//! A list whose members know their place: put in at the end, taken out anywhere, in constant time.
//!
//! The process table is made of these: the processes, a parent's children, a group's members. The
//! links are indices into one vector, so that a member can be linked into several lists with no
//! unsafe code, and a list without members owns no memory.

use alloc::vec::Vec;

use errno::Errno;
use fault::Point;

/// No place.
const NONE: u32 = u32::MAX;

/// A member's place in its list. Good until the member is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(u32);

impl Place {
    /// A place in no list.
    pub(crate) const NOWHERE: Self = Self(NONE);

    /// As a number, to be kept in an atomic.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// From its number.
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

struct Cell<T> {
    /// In a free cell: the next free one.
    next: u32,
    previous: u32,
    value: Option<T>,
}

/// The list.
pub(crate) struct List<T> {
    cells: Vec<Cell<T>>,
    first: u32,
    last: u32,
    free: u32,
    length: usize,
}

impl<T> List<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self { cells: Vec::new(), first: NONE, last: NONE, free: NONE, length: 0 }
    }

    /// Makes sure that the next [`push`](Self::push) finds room.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn reserve(&mut self) -> Result<(), Errno> {
        if fault::should_fail(Point::ProcessTable) {
            return Err(Errno::ENOMEM);
        }
        if self.free == NONE {
            self.cells.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(())
    }

    /// Puts a member at the end.
    pub(crate) fn push(&mut self, value: T) -> Place {
        let cell = Cell { next: NONE, previous: self.last, value: Some(value) };
        let place = if self.free == NONE {
            self.cells.push(cell);
            self.cells.len() as u32 - 1
        } else {
            let place = self.free;
            self.free = self.cells[place as usize].next;
            self.cells[place as usize] = cell;
            place
        };
        match self.last {
            NONE => self.first = place,
            last => self.cells[last as usize].next = place,
        }
        self.last = place;
        self.length += 1;
        Place(place)
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        let cell = self.cells.get_mut(place.0 as usize)?;
        let value = cell.value.take()?;
        let (previous, next) = (cell.previous, cell.next);
        cell.next = self.free;
        self.free = place.0;
        match previous {
            NONE => self.first = next,
            previous => self.cells[previous as usize].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.cells[next as usize].previous = previous,
        }
        self.length -= 1;
        Some(value)
    }

    /// The member at a place.
    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.cells.get(place.0 as usize)?.value.as_ref()
    }

    /// The member at a place, to be changed.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.cells.get_mut(place.0 as usize)?.value.as_mut()
    }

    /// The members in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            let cell = self.cells.get(next as usize)?;
            let place = Place(next);
            next = cell.next;
            Some((place, cell.value.as_ref()?))
        })
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Place};
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn contents(list: &List<u32>) -> Vec<u32> {
        list.iter().map(|(_, &value)| value).collect()
    }

    #[test]
    fn members_leave_from_anywhere() {
        let mut list = List::new();
        let places: Vec<Place> = (0..5).map(|value| list.push(value)).collect();
        assert_eq!(list.remove(places[2]), Some(2));
        assert_eq!(list.remove(places[2]), None);
        assert_eq!(list.remove(places[0]), Some(0));
        assert_eq!(list.remove(places[4]), Some(4));
        assert_eq!(contents(&list), [1, 3]);
        list.push(9);
        assert_eq!(contents(&list), [1, 3, 9]);
        assert_eq!(list.get(places[0]), None, "the cell freed last is used first");
        assert_eq!(list.get(places[4]), Some(&9));
    }

    #[test]
    fn agrees_with_a_queue_over_many_steps() {
        let mut list = List::new();
        let mut model: VecDeque<(u32, Place)> = VecDeque::new();
        let mut random = 0x9e37_79b9_u32;
        for step in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if model.is_empty() || random >> 31 == 0 {
                model.push_back((step, list.push(step)));
            } else {
                let index = (random >> 8) as usize % model.len();
                let (value, place) = model.remove(index).unwrap();
                assert_eq!(list.remove(place), Some(value));
            }
            assert_eq!(list.len(), model.len());
            assert_eq!(list.is_empty(), model.is_empty());
        }
        assert_eq!(contents(&list), model.iter().map(|(value, _)| *value).collect::<Vec<_>>());
    }
}
