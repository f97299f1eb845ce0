//! The input queue: finished lines, and behind them the line under edit.

use alloc::collections::VecDeque;

/// How many bytes wait at most, the last of them reserved for the end of a line.
pub(super) const CAPACITY: usize = 4096;

/// What a place in the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A byte inside a line.
    Byte,
    /// A line's last byte.
    LineEnd,
    /// The end of a line without a byte: the end-of-file character.
    EndOfFile,
}

/// Bytes that wait to be read, oldest first. The first `finished` places belong to finished lines;
/// those behind can still be erased. Without line editing nothing is ever "finished": all can be
/// read.
#[derive(Debug)]
pub(super) struct InputQueue {
    places: VecDeque<(u8, Kind)>,
    finished: usize,
}

impl InputQueue {
    /// An empty queue; none if there is no memory.
    pub(super) fn new() -> Option<Self> {
        let mut places = VecDeque::new();
        places.try_reserve_exact(CAPACITY).ok()?;
        Some(Self { places, finished: 0 })
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.finished = 0;
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many more bytes fit, apart from the one kept for the end of a line.
    pub(super) fn room(&self) -> usize {
        (CAPACITY - 1).saturating_sub(self.places.len())
    }

    /// Whether a finished line waits.
    pub(super) fn has_line(&self) -> bool {
        self.finished > 0
    }

    /// Bytes in finished lines.
    pub(super) fn finished_bytes(&self) -> usize {
        self.places.range(..self.finished).filter(|(_, kind)| *kind != Kind::EndOfFile).count()
    }

    /// The line under edit is empty.
    pub(super) fn line_is_empty(&self) -> bool {
        self.places.len() == self.finished
    }

    /// Adds a byte. A full queue loses its newest byte to it: an overlong line keeps its beginning
    /// and its end.
    pub(super) fn push(&mut self, byte: u8) {
        if self.places.len() >= CAPACITY && !self.line_is_empty() {
            self.places.pop_back();
        }
        if self.places.len() < CAPACITY {
            self.places.push_back((byte, Kind::Byte));
        }
    }

    /// Ends the line under edit with a byte that belongs to it.
    pub(super) fn push_line_end(&mut self, byte: u8) {
        self.push(byte);
        self.end_line(Kind::LineEnd);
    }

    /// Ends the line under edit without a byte.
    pub(super) fn push_end_of_file(&mut self) {
        self.push(0);
        self.end_line(Kind::EndOfFile);
    }

    fn end_line(&mut self, kind: Kind) {
        if let Some(last) = self.places.back_mut() {
            last.1 = kind;
        }
        self.finished = self.places.len();
    }

    /// Takes the newest byte of the line under edit back.
    pub(super) fn pop(&mut self) -> Option<u8> {
        if self.line_is_empty() { None } else { self.places.pop_back().map(|(byte, _)| byte) }
    }

    /// Forgets the line under edit.
    pub(super) fn drop_line(&mut self) {
        self.places.truncate(self.finished);
    }

    /// The bytes of the line under edit.
    pub(super) fn line_len(&self) -> usize {
        self.places.len() - self.finished
    }

    /// A byte of the line under edit, counted from its beginning.
    pub(super) fn line_byte(&self, index: usize) -> Option<u8> {
        self.places.get(self.finished + index).map(|(byte, _)| *byte)
    }

    /// The line under edit.
    pub(super) fn line(&self) -> impl DoubleEndedIterator<Item = u8> + '_ {
        self.places.range(self.finished..).map(|(byte, _)| *byte)
    }

    /// The mode has changed. To lines: what waits is one finished line. To raw: all places are
    /// plain bytes.
    pub(super) fn finish_all(&mut self, canonical: bool) {
        self.places.iter_mut().for_each(|place| place.1 = Kind::Byte);
        self.finished = 0;
        if canonical && !self.places.is_empty() {
            self.end_line(Kind::LineEnd);
        }
    }

    /// Takes bytes up to the end of the first line or of the buffer. An end-of-file mark right
    /// behind what was taken goes with it, so that it is not seen as an end of file of its own by
    /// the next read.
    pub(super) fn read_line(&mut self, buffer: &mut [u8]) -> usize {
        let mut taken = 0;
        while let Some(&(byte, kind)) = self.places.front().filter(|_| self.finished > 0) {
            if kind != Kind::EndOfFile {
                let Some(place) = buffer.get_mut(taken) else { break };
                *place = byte;
                taken += 1;
            }
            self.places.pop_front();
            self.finished -= 1;
            if kind != Kind::Byte {
                break;
            }
        }
        taken
    }

    /// Takes whatever waits.
    pub(super) fn read_raw(&mut self, buffer: &mut [u8]) -> usize {
        let taken = buffer.len().min(self.places.len());
        for (place, (byte, _)) in buffer.iter_mut().zip(self.places.drain(..taken)) {
            *place = byte;
        }
        self.finished = self.finished.saturating_sub(taken);
        taken
    }
}
