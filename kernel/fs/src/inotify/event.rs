//! What a reader of an instance gets.

use alloc::vec::Vec;

use super::Events;

/// Bytes before the name.
const HEADER: usize = 16;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    watch: i32,
    events: Events,
    /// Ties the two halves of a rename.
    cookie: u32,
    /// The name in the watched directory; empty for the watched file itself.
    name: Vec<u8>,
}

impl Event {
    pub(super) fn new(watch: i32, events: Events, cookie: u32, name: &[u8]) -> Self {
        Self { watch, events, cookie, name: name.to_vec() }
    }

    /// Stands for all that found no room.
    pub(super) fn overflow() -> Self {
        Self::new(-1, Events::Q_OVERFLOW, 0, b"")
    }

    /// Bytes that the name takes: with a NUL, filled up so that the next event is aligned.
    fn name_size(&self) -> usize {
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }

    /// Bytes of the whole.
    pub(super) fn size(&self) -> usize {
        HEADER + self.name_size()
    }

    /// `struct inotify_event`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(&self.watch.to_ne_bytes());
        bytes.extend_from_slice(&self.events.bits().to_ne_bytes());
        bytes.extend_from_slice(&self.cookie.to_ne_bytes());
        bytes.extend_from_slice(&(self.name_size() as u32).to_ne_bytes());
        bytes.extend_from_slice(&self.name);
        bytes.resize(self.size(), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_up() {
        let event = |name| Event::new(3, Events::CREATE, 7, name);
        assert_eq!(event(b"").size(), 16);
        assert_eq!(event(b"fifteen letters").size(), 32);
        assert_eq!(event(b"sixteen letters!").size(), 48);
        let bytes = event(b"x").to_bytes();
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..8], [3, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(bytes[8..18], [7, 0, 0, 0, 16, 0, 0, 0, b'x', 0]);
    }
}
