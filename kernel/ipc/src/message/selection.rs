//! Which message is to be received.

use alloc::collections::VecDeque;

use super::queue::Message;

/// What a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The oldest.
    First,
    /// The oldest of a type.
    OfType(i64),
    /// The oldest of any other type (`MSG_EXCEPT`).
    NotOfType(i64),
    /// The oldest of the lowest type up to this one.
    LowestUpTo(i64),
    /// The one in a place, counted from the oldest (`MSG_COPY`).
    Place(i64),
}

impl Selection {
    /// From `msgrcv`'s type, and whether `MSG_EXCEPT` is set.
    pub const fn from_type(kind: i64, except: bool) -> Self {
        match kind {
            0 => Self::First,
            ..0 => Self::LowestUpTo(kind.saturating_neg()),
            _ if except => Self::NotOfType(kind),
            _ => Self::OfType(kind),
        }
    }

    /// Where the wanted message is.
    pub(super) fn find(self, messages: &VecDeque<Message>) -> Option<usize> {
        match self {
            Self::First => (!messages.is_empty()).then_some(0),
            Self::OfType(kind) => messages.iter().position(|message| message.kind == kind),
            Self::NotOfType(kind) => messages.iter().position(|message| message.kind != kind),
            Self::LowestUpTo(highest) => messages
                .iter()
                .enumerate()
                .filter(|(_, message)| message.kind <= highest)
                // Of equals the first.
                .min_by_key(|(_, message)| message.kind)
                .map(|(index, _)| index),
            Self::Place(place) => {
                usize::try_from(place).ok().filter(|&place| place < messages.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(selection: Selection, kinds: &[i64]) -> Option<usize> {
        let text = alloc::vec::Vec::new;
        selection.find(&kinds.iter().map(|&kind| Message { kind, text: text() }).collect())
    }

    #[test]
    fn types_are_read_as_linux_reads_them() {
        assert_eq!(Selection::from_type(0, true), Selection::First);
        assert_eq!(Selection::from_type(5, false), Selection::OfType(5));
        assert_eq!(Selection::from_type(5, true), Selection::NotOfType(5));
        assert_eq!(Selection::from_type(-5, true), Selection::LowestUpTo(5));
        assert_eq!(Selection::from_type(i64::MIN, false), Selection::LowestUpTo(i64::MAX));
    }

    #[test]
    fn the_oldest_of_what_is_wanted() {
        assert_eq!(find(Selection::First, &[3, 1]), Some(0));
        assert_eq!(find(Selection::First, &[]), None);
        assert_eq!(find(Selection::OfType(1), &[3, 1, 1]), Some(1));
        assert_eq!(find(Selection::OfType(2), &[3, 1]), None);
        assert_eq!(find(Selection::NotOfType(3), &[3, 3, 1, 2]), Some(2));
        assert_eq!(find(Selection::NotOfType(3), &[3]), None);
        assert_eq!(find(Selection::LowestUpTo(4), &[9, 4, 2, 3, 2]), Some(2));
        assert_eq!(find(Selection::LowestUpTo(1), &[9, 4, 2]), None);
        assert_eq!(find(Selection::Place(1), &[9, 4]), Some(1));
        assert_eq!(find(Selection::Place(2), &[9, 4]), None);
        assert_eq!(find(Selection::Place(-1), &[9, 4]), None);
    }
}
