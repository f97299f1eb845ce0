//! Chains: several orders over the members of one [`List`].
//!
//! A process is in the table once, and at the same time among its parent's children and among its
//! group's members. For each such relation it carries [`Links`], and whoever owns the relation
//! carries a [`Chain`]. Joining and leaving take constant time and no memory, so they cannot fail.

use crate::list::{List, Place};

/// A member's neighbours in one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    previous: Place,
    next: Place,
}

impl Links {
    /// In no chain.
    pub(crate) const NONE: Self = Self { previous: Place::NOWHERE, next: Place::NOWHERE };

    /// The member after this one.
    pub(crate) fn next(&self) -> Place {
        self.next
    }
}

/// The ends of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    first: Place,
    last: Place,
}

/// Which of a member's links a chain uses.
pub(crate) trait Relation<T> {
    /// The links.
    fn links(member: &T) -> &Links;
    /// The links, to be changed.
    fn links_mut(member: &mut T) -> &mut Links;
}

impl Chain {
    /// Nobody.
    pub(crate) const EMPTY: Self = Self { first: Place::NOWHERE, last: Place::NOWHERE };

    /// Whether nobody is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.first == Place::NOWHERE
    }

    /// What the links of the next member at its end have to be.
    pub(crate) fn links_of_next(&self) -> Links {
        Links { previous: self.last, next: Place::NOWHERE }
    }

    /// The chain with `place` at its end.
    #[must_use]
    pub(crate) fn with<R: Relation<T>, T>(self, list: &mut List<T>, place: Place) -> Self {
        if let Some(member) = list.get_mut(place) {
            *R::links_mut(member) = self.links_of_next();
        }
        self.extended::<R, T>(list, place)
    }

    /// The chain with `place` at its end, whose links [say so](Self::links_of_next).
    #[must_use]
    pub(crate) fn extended<R: Relation<T>, T>(mut self, list: &mut List<T>, place: Place) -> Self {
        match list.get_mut(self.last) {
            Some(last) => R::links_mut(last).next = place,
            None => self.first = place,
        }
        self.last = place;
        self
    }

    /// The chain without the member of it that had these links, and is gone or has others by now.
    #[must_use]
    pub(crate) fn without<R: Relation<T>, T>(mut self, list: &mut List<T>, links: Links) -> Self {
        let Links { previous, next } = links;
        match list.get_mut(previous) {
            Some(previous) => R::links_mut(previous).next = next,
            None => self.first = next,
        }
        match list.get_mut(next) {
            Some(next) => R::links_mut(next).previous = previous,
            None => self.last = previous,
        }
        self
    }

    /// The members, first to last.
    pub(crate) fn iter<'a, R: Relation<T>, T>(
        &self,
        list: &'a List<T>,
    ) -> impl Iterator<Item = (Place, &'a T)> + use<'a, R, T> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            let place = next;
            let member = list.get(place)?;
            next = R::links(member).next;
            Some((place, member))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    struct Member {
        value: u32,
        links: Links,
    }

    struct Only;

    impl Relation<Member> for Only {
        fn links(member: &Member) -> &Links {
            &member.links
        }
        fn links_mut(member: &mut Member) -> &mut Links {
            &mut member.links
        }
    }

    /// Takes a member out.
    fn without(chain: Chain, list: &mut List<Member>, place: Place) -> Chain {
        let member = list.get_mut(place).expect("it is in the list");
        let links = core::mem::replace(&mut member.links, Links::NONE);
        chain.without::<Only, _>(list, links)
    }

    fn values(chain: Chain, list: &List<Member>) -> Vec<u32> {
        chain.iter::<Only, _>(list).map(|(_, member)| member.value).collect()
    }

    #[test]
    fn members_join_at_the_end_and_leave_from_anywhere() {
        let mut list = List::new();
        let places: Vec<Place> =
            (0..4).map(|value| list.push(Member { value, links: Links::NONE })).collect();
        let mut chain = Chain::EMPTY;
        for &place in &places {
            chain = chain.with::<Only, _>(&mut list, place);
        }
        assert_eq!(values(chain, &list), [0, 1, 2, 3]);
        chain = without(chain, &mut list, places[1]);
        chain = without(chain, &mut list, places[3]);
        assert_eq!(values(chain, &list), [0, 2]);
        chain = chain.with::<Only, _>(&mut list, places[1]);
        chain = without(chain, &mut list, places[0]);
        assert_eq!(values(chain, &list), [2, 1]);
        chain = without(chain, &mut list, places[2]);
        chain = without(chain, &mut list, places[1]);
        assert!(chain.is_empty());
        assert_eq!(chain, Chain::EMPTY);
    }
}
