//! The rings that records lie in: one for each CPU.
//!
//! A record is a head of [`HEAD`] words and its payload. Positions count words since the ring was
//! made and never wrap, so a reader that has been overtaken finds out by comparing numbers, and
//! goes on at the oldest record that is still there.

use alloc::vec::Vec;

use errno::{Errno, Result};

use crate::field::COMM_SIZE;

/// Words of a record before its payload.
const HEAD: usize = 5;
const WORD: usize = size_of::<u64>();

/// What was true when a record was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The time, in nanoseconds since boot.
    pub time: u64,
    /// The event's number.
    pub id: u16,
    /// The running task.
    pub pid: u32,
    /// Its name.
    pub comm: [u8; COMM_SIZE],
    /// The word of the preemption count, without the record's own levels.
    pub context: u32,
    /// Interrupts were off.
    pub irqs_off: bool,
}

/// How much has gone through a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records in it.
    pub entries: u64,
    /// Records pushed out by newer ones.
    pub overrun: u64,
    /// Records written.
    pub written: u64,
    /// Records that readers have taken out.
    pub read: u64,
}

/// A CPU's ring.
pub struct Ring {
    words: Vec<u64>,
    /// Where the oldest record begins, and where the next one will.
    tail: u64,
    head: u64,
    counts: Counts,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// A ring without room.
    pub const fn new() -> Self {
        let counts = Counts { entries: 0, overrun: 0, written: 0, read: 0 };
        Self { words: Vec::new(), tail: 0, head: 0, counts }
    }

    /// An empty ring with room for so many bytes.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn with_size(bytes: usize) -> Result<Self> {
        let mut words = Vec::new();
        let count = bytes / WORD;
        words.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        words.resize(count, 0);
        Ok(Self { words, ..Self::new() })
    }

    /// Its room in bytes.
    pub fn size(&self) -> usize {
        self.words.len() * WORD
    }

    /// How much has gone through it.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Throws all records away. Readers go on behind them.
    pub fn clear(&mut self) {
        self.tail = self.head;
        self.counts = Counts::default();
    }

    /// Adds a record. Without room for it nothing happens.
    pub fn push(&mut self, moment: &Moment, payload: &[u8]) {
        let length = HEAD + payload.len().div_ceil(WORD);
        if length > self.words.len() {
            return;
        }
        while self.head - self.tail + length as u64 > self.words.len() as u64 {
            self.tail += self.length_at(self.tail);
            self.counts.entries -= 1;
            self.counts.overrun += 1;
        }
        let mut at = self.head;
        let mut put = |word: u64| {
            let place = (at % self.words.len() as u64) as usize;
            self.words[place] = word;
            at += 1;
        };
        put(moment.time);
        put(u64::from(moment.id) | (payload.len() as u64) << 16 | u64::from(moment.irqs_off) << 32);
        put(u64::from(moment.pid) | u64::from(moment.context) << 32);
        let (comm, _) = moment.comm.as_chunks();
        comm.iter().for_each(|word| put(u64::from_ne_bytes(*word)));
        for chunk in payload.chunks(WORD) {
            let mut word = [0; WORD];
            word[..chunk.len()].copy_from_slice(chunk);
            put(u64::from_ne_bytes(word));
        }
        self.head = at;
        self.counts.entries += 1;
        self.counts.written += 1;
    }

    fn word(&self, at: u64) -> u64 {
        self.words[(at % self.words.len() as u64) as usize]
    }

    fn payload_length_at(&self, at: u64) -> usize {
        (self.word(at + 1) >> 16 & 0xffff) as usize
    }

    fn length_at(&self, at: u64) -> u64 {
        (HEAD + self.payload_length_at(at).div_ceil(WORD)) as u64
    }

    /// The time of the first record from a position on.
    pub fn time_from(&self, position: u64) -> Option<u64> {
        let at = position.max(self.tail);
        (at < self.head).then(|| self.word(at))
    }

    /// Reads the first record from a position on: its payload into `payload`, which has room, and
    /// the position behind it.
    pub fn read_from(
        &self,
        position: u64,
        payload: &mut [u8],
        length: &mut usize,
    ) -> Option<(Moment, u64)> {
        let at = position.max(self.tail);
        if at >= self.head {
            return None;
        }
        let (second, third) = (self.word(at + 1), self.word(at + 2));
        let mut comm = [0; COMM_SIZE];
        for (place, chunk) in comm.chunks_exact_mut(WORD).enumerate() {
            chunk.copy_from_slice(&self.word(at + 3 + place as u64).to_ne_bytes());
        }
        *length = self.payload_length_at(at).min(payload.len());
        for (place, chunk) in payload[..*length].chunks_mut(WORD).enumerate() {
            let word = self.word(at + (HEAD + place) as u64).to_ne_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        let moment = Moment {
            time: self.word(at),
            id: second as u16,
            pid: third as u32,
            comm,
            context: (third >> 32) as u32,
            irqs_off: second >> 32 & 1 != 0,
        };
        Some((moment, at + self.length_at(at)))
    }

    /// Takes the records before a position out.
    pub fn consume(&mut self, position: u64) {
        while self.tail < position.min(self.head) {
            self.tail += self.length_at(self.tail);
            self.counts.entries -= 1;
            self.counts.read += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(time: u64) -> Moment {
        Moment { time, id: 7, pid: 3, comm: *b"abcdefghijklmno\0", context: 9, irqs_off: true }
    }

    #[test]
    fn c06_what_goes_in_comes_out() {
        let mut ring = Ring::with_size(1024).unwrap();
        ring.push(&moment(5), b"hello, world");
        let mut payload = [0; 64];
        let mut length = 0;
        let (found, next) = ring.read_from(0, &mut payload, &mut length).unwrap();
        assert_eq!(found, moment(5));
        assert_eq!(&payload[..length], b"hello, world");
        assert!(ring.read_from(next, &mut payload, &mut length).is_none());
    }

    #[test]
    fn c06_new_records_push_the_oldest_out() {
        let mut ring = Ring::with_size(24 * WORD).unwrap();
        for time in 0..100 {
            ring.push(&moment(time), &[time as u8; 5]);
        }
        let counts = ring.counts();
        assert_eq!((counts.entries, counts.overrun, counts.written), (4, 96, 100));
        let (mut position, mut times) = (0, Vec::new());
        let (mut payload, mut length) = ([0; 8], 0);
        while let Some((found, next)) = ring.read_from(position, &mut payload, &mut length) {
            assert_eq!(payload[..length], [found.time as u8; 5]);
            times.push(found.time);
            position = next;
        }
        assert_eq!(times, [96, 97, 98, 99]);
        ring.consume(position);
        assert_eq!((ring.counts().entries, ring.counts().read), (0, 4));
    }

    #[test]
    fn c06_a_ring_without_room_takes_nothing() {
        let mut ring = Ring::new();
        ring.push(&moment(1), b"x");
        assert_eq!(ring.counts(), Counts::default());
    }
}
