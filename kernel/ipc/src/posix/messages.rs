//! Messages in the order in which they are received.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The higher, the sooner it is received.
    pub priority: u32,
    /// What it says.
    pub text: Vec<u8>,
}

/// Messages, highest priority first, and of one priority the oldest.
#[derive(Default)]
pub(super) struct Messages {
    by_priority: BTreeMap<u32, VecDeque<Vec<u8>>>,
    count: usize,
    bytes: usize,
}

impl Messages {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, message: Message) {
        self.count += 1;
        self.bytes += message.text.len();
        self.by_priority.entry(message.priority).or_default().push_back(message.text);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let mut highest = self.by_priority.last_entry()?;
        let priority = *highest.key();
        let text = highest.get_mut().pop_front()?;
        if highest.get().is_empty() {
            highest.remove();
        }
        self.count -= 1;
        self.bytes -= text.len();
        Some(Message { priority, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_highest_comes_first() {
        let mut messages = Messages::default();
        for (priority, text) in [(1, "a"), (5, "b"), (1, "c"), (5, "d"), (0, "e")] {
            messages.push(Message { priority, text: text.into() });
        }
        assert_eq!((messages.count(), messages.bytes()), (5, 5));
        let order: Vec<u8> =
            core::iter::from_fn(|| messages.pop()).flat_map(|message| message.text).collect();
        assert_eq!(order, b"bdace");
        assert_eq!((messages.count(), messages.bytes()), (0, 0));
        assert!(messages.by_priority.is_empty());
    }
}
