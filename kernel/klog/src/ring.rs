//! The ring of records: their bytes one after another, each a head and its text.

use core::fmt::{self, Write};

/// How many bytes the ring holds.
pub const CAPACITY: usize = 64 << 10;
/// The longest text of a record; longer lines are cut. The longest that are not to be: the code in a report, the keys of SysRq.
pub(crate) const TEXT_LENGTH: usize = 320;

/// Bytes in front of a record's text: its length, its level, its time.
const HEAD: usize = 2 + 1 + 8;

/// A line of text in a fixed space.
#[derive(Clone, Copy)]
pub struct Text {
    length: u16,
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
        self.length += taken as u16;
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
    bytes: [u8; CAPACITY],
    /// The oldest record, and the one that comes next.
    first: Mark,
    next: Mark,
    /// Somewhere between them: the record behind the one that was read last.
    read: Mark,
}

/// A record's number, and where it begins, counted in bytes from boot.
#[derive(Clone, Copy)]
struct Mark {
    sequence: u64,
    place: u64,
}

impl Mark {
    const START: Self = Self { sequence: 0, place: 0 };

    /// The record behind one with so many bytes of text.
    fn after(self, length: usize) -> Self {
        Self { sequence: self.sequence + 1, place: self.place + (HEAD + length) as u64 }
    }
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; CAPACITY], first: Mark::START, next: Mark::START, read: Mark::START }
    }

    /// Adds a record, giving it its number; the oldest make way.
    pub(crate) fn push(&mut self, record: &mut Record) {
        record.sequence = self.next.sequence;
        let text = record.text.as_str().as_bytes();
        let end = self.next.after(text.len());
        while end.place - self.first.place > CAPACITY as u64 {
            self.first = self.first.after(self.length_at(self.first.place));
        }
        let mut head = [0; HEAD];
        head[..2].copy_from_slice(&(text.len() as u16).to_le_bytes());
        head[2] = record.level;
        head[3..].copy_from_slice(&record.time.to_le_bytes());
        self.put(self.next.place, &head);
        self.put(self.next.place + HEAD as u64, text);
        self.next = end;
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.next.sequence
    }

    pub(crate) fn first_sequence(&self) -> u64 {
        self.first.sequence
    }

    /// The oldest record with this number or a later one. Who reads one after another finds each at once.
    pub(crate) fn read(&mut self, sequence: u64) -> Option<Record> {
        let wanted = sequence.max(self.first.sequence);
        if wanted >= self.next.sequence {
            return None;
        }
        let mut at = match self.read.sequence {
            read if (self.first.sequence..=wanted).contains(&read) => self.read,
            _ => self.first,
        };
        while at.sequence < wanted {
            at = at.after(self.length_at(at.place));
        }
        let length = self.length_at(at.place);
        let (mut level, mut time) = ([0], [0; 8]);
        self.get(at.place + 2, &mut level);
        self.get(at.place + 3, &mut time);
        let mut text = Text::new();
        self.get(at.place + HEAD as u64, &mut text.bytes[..length]);
        text.length = length as u16;
        self.read = at.after(length);
        Some(Record {
            sequence: at.sequence,
            level: level[0],
            time: u64::from_le_bytes(time),
            text,
        })
    }

    /// How many bytes of text the record at a place has.
    fn length_at(&self, place: u64) -> usize {
        let mut length = [0; 2];
        self.get(place, &mut length);
        usize::from(u16::from_le_bytes(length)).min(TEXT_LENGTH)
    }

    /// Copies bytes in, round the end.
    fn put(&mut self, place: u64, from: &[u8]) {
        let at = place as usize % CAPACITY;
        let (head, tail) = from.split_at(from.len().min(CAPACITY - at));
        self.bytes[at..at + head.len()].copy_from_slice(head);
        self.bytes[..tail.len()].copy_from_slice(tail);
    }

    /// Copies bytes out, round the end.
    fn get(&self, place: u64, to: &mut [u8]) {
        let at = place as usize % CAPACITY;
        let middle = to.len().min(CAPACITY - at);
        let (head, tail) = to.split_at_mut(middle);
        head.copy_from_slice(&self.bytes[at..at + head.len()]);
        tail.copy_from_slice(&self.bytes[..tail.len()]);
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
        let text = |i: u64| std::format!("{i} {}", "x".repeat(i as usize * 7 % TEXT_LENGTH));
        let count = 3000;
        for i in 0..count {
            ring.push(&mut record(&text(i)));
            let first = ring.first_sequence();
            let oldest = ring.read(0).unwrap();
            assert_eq!((oldest.sequence, oldest.text.as_str()), (first, cut(&text(first))));
        }
        let first = ring.first_sequence();
        assert!(first > 2000 && first < count - 100, "{first}");
        for sequence in (first..count).chain([count - 1, first, first + 50]) {
            let record = ring.read(sequence).unwrap();
            assert_eq!((record.sequence, record.level, record.time), (sequence, 6, 1_234_567_890));
            assert_eq!(record.text.as_str(), cut(&text(sequence)));
        }
        assert!(ring.read(ring.next_sequence()).is_none());
    }

    fn cut(text: &str) -> &str {
        &text[..text.len().min(TEXT_LENGTH)]
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
