//! The ring of records.

use core::fmt::{self, Write};

/// How many records the ring holds.
pub const CAPACITY: usize = 256;
/// The longest text of a record; longer lines are cut.
pub const TEXT_LENGTH: usize = 160;

/// A line of text in a fixed space.
#[derive(Clone, Copy)]
pub struct Text {
    length: u8,
    bytes: [u8; TEXT_LENGTH],
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self { length: 0, bytes: [0; TEXT_LENGTH] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends what fits, whole characters only.
    pub(crate) fn push(&mut self, text: &str) {
        let length = usize::from(self.length);
        let mut taken = text.len().min(TEXT_LENGTH - length);
        while !text.is_char_boundary(taken) {
            taken -= 1;
        }
        self.bytes[length..length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken as u8;
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only whole characters are ever put in.
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or("?")
    }
}

/// One line of the log. Displays as `[    1.234567] text`.
#[derive(Clone, Copy)]
pub struct Record {
    /// Its number, counted from 0 at boot.
    pub sequence: u64,
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Nanoseconds since boot.
    pub time: u64,
    /// The text.
    pub text: Text,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.time / 1000;
        let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
        write!(f, "[{seconds:5}.{fraction:06}] {}", self.text.as_str())
    }
}

/// A formatted record with its newline.
pub(crate) struct Line {
    length: usize,
    bytes: [u8; TEXT_LENGTH + 32],
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { length: 0, bytes: [0; TEXT_LENGTH + 32] }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = text.len().min(self.bytes.len() - self.length);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

pub(crate) struct Ring {
    records: [Record; CAPACITY],
    next: u64,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        let empty = Record { sequence: 0, level: 0, time: 0, text: Text::new() };
        Self { records: [empty; CAPACITY], next: 0 }
    }

    /// Adds a record, giving it its number; the oldest makes way.
    pub(crate) fn push(&mut self, record: &mut Record) {
        record.sequence = self.next;
        self.records[self.next as usize % CAPACITY] = *record;
        self.next += 1;
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.next
    }

    pub(crate) fn first_sequence(&self) -> u64 {
        self.next.saturating_sub(CAPACITY as u64)
    }

    pub(crate) fn read(&self, sequence: u64) -> Option<Record> {
        let wanted = sequence.max(self.first_sequence());
        (wanted < self.next).then(|| self.records[wanted as usize % CAPACITY])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        let mut record = Record { sequence: 0, level: 6, time: 1_234_567_890, text: Text::new() };
        record.text.push(text);
        record
    }

    #[test]
    fn old_records_make_way() {
        let mut ring = Ring::new();
        for i in 0..CAPACITY + 3 {
            ring.push(&mut record(&std::format!("{i}")));
        }
        assert_eq!(ring.first_sequence(), 3);
        assert_eq!(ring.read(0).unwrap().text.as_str(), "3");
        assert!(ring.read(ring.next_sequence()).is_none());
    }

    #[test]
    fn a_record_shows_as_in_dmesg() {
        assert_eq!(std::format!("{}", record("hello")), "[    1.234567] hello");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut text = Text::new();
        text.push(&"é".repeat(TEXT_LENGTH));
        assert_eq!(text.as_str(), "é".repeat(TEXT_LENGTH / 2));
    }
}
