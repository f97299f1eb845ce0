//! What is in a pipe: pieces of pages, in order.

use alloc::collections::VecDeque;

use errno::{Errno, Result};
use memory::{PAGE_SIZE, Page};

use crate::io::{Sink, Source};

/// A page with bytes to read.
pub(super) struct Piece {
    pub(super) page: Page,
    pub(super) start: usize,
    pub(super) end: usize,
    /// A packet of its own (O_DIRECT): it is not added to, and what a reader leaves of it is lost.
    pub(super) packet: bool,
}

/// A queue of bytes with a limit. One that is full or empty says so; waiting is not its affair.
pub(super) struct Ring {
    pieces: VecDeque<Piece>,
    /// The most pieces.
    slots: usize,
    bytes: usize,
    /// The last page that was read empty, kept for the next write.
    spare: Option<Page>,
}

impl Ring {
    pub(super) const fn new(slots: usize) -> Self {
        Self { pieces: VecDeque::new(), slots, bytes: 0, spare: None }
    }

    /// Bytes to read.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Pages that it can hold.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Changes how many pages it can hold.
    ///
    /// # Errors
    /// EBUSY: it holds more.
    pub(super) fn set_slots(&mut self, slots: usize) -> Result<()> {
        if self.pieces.len() > slots {
            return Err(Errno::EBUSY);
        }
        self.slots = slots;
        Ok(())
    }

    /// Whether a page is free: what `poll` calls writable.
    pub(super) fn has_free_slot(&self) -> bool {
        self.pieces.len() < self.slots
    }

    fn room_in_last(&self) -> usize {
        match self.pieces.back() {
            Some(piece) if !piece.packet => PAGE_SIZE - piece.end,
            _ => 0,
        }
    }

    /// Whether so many bytes fit at once.
    pub(super) fn fits(&self, length: usize, packet: bool) -> bool {
        let in_last = if packet { 0 } else { self.room_in_last() };
        let free = self.slots.saturating_sub(self.pieces.len()) * PAGE_SIZE;
        // Whole pages: a write that begins in the last page does not leave its rest unused.
        length <= in_last + free
    }

    /// Takes bytes from a source until it is used up or the ring is full, and returns how many.
    ///
    /// # Errors
    /// EFAULT, ENOMEM, if there were none.
    pub(super) fn push(&mut self, from: &mut dyn Source, packet: bool) -> Result<usize> {
        let mut done = 0;
        let mut left = from.remaining();
        while left > 0 {
            let outcome = if !packet && self.room_in_last() > 0 {
                self.push_to_last(from)
            } else if self.has_free_slot() {
                self.push_page(from, packet)
            } else {
                break;
            };
            match outcome {
                Ok(0) => break,
                Ok(moved) => {
                    done += moved;
                    self.bytes += moved;
                    let expected = left - moved;
                    left = from.remaining();
                    if left != expected {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn push_to_last(&mut self, from: &mut dyn Source) -> Result<usize> {
        let Some(last) = self.pieces.back_mut() else { return Ok(0) };
        let moved = from.take_page(&last.page, last.end, PAGE_SIZE - last.end)?;
        last.end += moved;
        Ok(moved)
    }

    fn push_page(&mut self, from: &mut dyn Source, packet: bool) -> Result<usize> {
        let page = match self.spare.take() {
            Some(page) => page,
            // Only what was written is ever read.
            None => memory::alloc_page_for_overwrite(None)?,
        };
        let moved = from.take_page(&page, 0, PAGE_SIZE)?;
        self.pieces.push_back(Piece { page, start: 0, end: moved, packet });
        Ok(moved)
    }

    /// Gives bytes to a sink until that is full or the ring empty (or at a packet's end), and
    /// returns how many.
    ///
    /// # Errors
    /// EFAULT, if there were none.
    pub(super) fn pop(&mut self, to: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        let mut left = to.remaining();
        while left > 0
            && let Some(first) = self.pieces.front_mut()
        {
            let length = (first.end - first.start).min(left);
            let moved = match to.put_page(&first.page, first.start, length) {
                Ok(moved) => moved,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            done += moved;
            left -= moved;
            first.start += moved;
            self.bytes -= moved;
            let packet = first.packet;
            if first.start == first.end || packet {
                self.drop_first();
            }
            if moved < length || packet {
                break;
            }
        }
        Ok(done)
    }

    /// Puts back what was popped, even if that makes it fuller than it may be.
    pub(super) fn put_back(&mut self, piece: Piece) {
        self.bytes += piece.end - piece.start;
        self.pieces.push_front(piece);
    }

    /// Gives a sink bytes and keeps them, from `skip` bytes after the first on; returns how many.
    ///
    /// # Errors
    /// The sink's, if there were none.
    pub(super) fn copy(&self, mut skip: usize, to: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        for piece in &self.pieces {
            let length = piece.end - piece.start;
            if skip >= length {
                skip -= length;
                continue;
            }
            let wanted = (length - skip).min(to.remaining());
            done += to.put_page(&piece.page, piece.start + skip, wanted)?;
            skip = 0;
            if to.remaining() == 0 {
                break;
            }
        }
        Ok(done)
    }

    fn drop_first(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.bytes -= piece.end - piece.start;
            self.spare.get_or_insert(piece.page);
        }
    }
}
