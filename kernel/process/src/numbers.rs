//! The numbers of one PID namespace: which are taken, and what each stands for.
//!
//! Numbers are given out in a circle, so that one that has just been freed is not soon used again.
//! A taken number may stand for nothing yet: it is reserved first and [published](Numbers::publish)
//! when its task can be found. The table is cut into chunks of [`CHUNK`] numbers, and chunks
//! without a taken number are not there.

use alloc::boxed::Box;
use alloc::vec::Vec;

use errno::Errno;
use fault::Point;

/// Numbers in a chunk: one word of the bitmap.
const CHUNK: usize = 64;
/// After the first turn the circle starts here, in the initial namespace; numbers below were given
/// to the first tasks of the system.
const RESERVED: u32 = 300;
/// No `pid_max` may be above this.
pub const PID_MAX_LIMIT: u32 = 4 * 1024 * 1024;
/// `pid_max` at boot.
pub const PID_MAX_DEFAULT: u32 = 32768;
/// No `pid_max` may be below this.
pub const PID_MAX_MIN: u32 = RESERVED + 1;

struct Chunk<T> {
    taken: u64,
    published: [Option<T>; CHUNK],
}

/// The table.
pub(crate) struct Numbers<T> {
    chunks: Vec<Option<Box<Chunk<T>>>>,
    /// The number given out last.
    last: u32,
    count: usize,
}

impl<T> Numbers<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), last: 0, count: 0 }
    }

    /// Takes the next free number below `limit`.
    ///
    /// # Errors
    /// EAGAIN: all are taken. ENOMEM.
    pub(crate) fn take_next(&mut self, limit: u32) -> Result<u32, Errno> {
        let number = self
            .first_free(self.last + 1, limit)
            .or_else(|| {
                let start = if self.last >= RESERVED { RESERVED } else { 1 };
                self.first_free(start, self.last.min(limit - 1) + 1)
            })
            .ok_or(Errno::EAGAIN)?;
        self.take(number)?;
        self.last = number;
        Ok(number)
    }

    /// Takes a number of the caller's choice, leaving the circle where it is.
    ///
    /// # Errors
    /// EEXIST: it is taken. EINVAL: it is 0, or not below `limit`. ENOMEM.
    pub(crate) fn take_this(&mut self, number: u32, limit: u32) -> Result<(), Errno> {
        if number == 0 || number >= limit {
            return Err(Errno::EINVAL);
        }
        if self.first_free(number, number + 1).is_none() {
            return Err(Errno::EEXIST);
        }
        self.take(number)
    }

    /// The first free number of `start..end`.
    fn first_free(&self, start: u32, end: u32) -> Option<u32> {
        let mut number = start as usize;
        while number < end as usize {
            let (index, bit) = (number / CHUNK, number % CHUNK);
            let taken = self.chunk(index).map_or(0, |chunk| chunk.taken);
            let free = !taken & u64::MAX << bit;
            if free != 0 {
                let found = index * CHUNK + free.trailing_zeros() as usize;
                return (found < end as usize).then_some(found as u32);
            }
            number = (index + 1) * CHUNK;
        }
        None
    }

    fn take(&mut self, number: u32) -> Result<(), Errno> {
        if fault::should_fail(Point::PidTable) {
            return Err(Errno::ENOMEM);
        }
        let (index, bit) = (number as usize / CHUNK, number as usize % CHUNK);
        if index >= self.chunks.len() {
            self.chunks.try_reserve(index + 1 - self.chunks.len()).map_err(|_| Errno::ENOMEM)?;
            self.chunks.resize_with(index + 1, || None);
        }
        let chunk = self.chunks[index].get_or_insert_with(|| {
            Box::new(Chunk { taken: 0, published: [const { None }; CHUNK] })
        });
        chunk.taken |= 1 << bit;
        self.count += 1;
        Ok(())
    }

    /// Says what a taken number stands for from now on.
    pub(crate) fn publish(&mut self, number: u32, value: T) {
        let (index, bit) = (number as usize / CHUNK, number as usize % CHUNK);
        if let Some(Some(chunk)) = self.chunks.get_mut(index) {
            debug_assert!(chunk.taken & 1 << bit != 0, "a number is taken before it is published");
            chunk.published[bit] = Some(value);
        }
    }

    /// Makes a number free, and returns what it stood for, for the caller to drop after the lock.
    pub(crate) fn free(&mut self, number: u32) -> Option<T> {
        let (index, bit) = (number as usize / CHUNK, number as usize % CHUNK);
        let slot = self.chunks.get_mut(index)?;
        let chunk = slot.as_mut()?;
        let value = chunk.published[bit].take();
        chunk.taken &= !(1 << bit);
        self.count -= 1;
        // The chunk that the circle is in stays: its next number is wanted soon.
        if chunk.taken == 0 && self.last as usize / CHUNK != index {
            *slot = None;
        }
        value
    }

    /// What a number stands for.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.chunk(number as usize / CHUNK)?.published[number as usize % CHUNK].as_ref()
    }

    /// The first published number that is at least `number`, and what it stands for.
    pub(crate) fn next_from(&self, number: u32) -> Option<(u32, &T)> {
        let mut bit = number as usize % CHUNK;
        for index in number as usize / CHUNK..self.chunks.len() {
            if let Some(chunk) = self.chunk(index) {
                for (offset, slot) in chunk.published.iter().enumerate().skip(bit) {
                    if let Some(value) = slot {
                        return Some(((index * CHUNK + offset) as u32, value));
                    }
                }
            }
            bit = 0;
        }
        None
    }

    /// The number given out last.
    pub(crate) fn last(&self) -> u32 {
        self.last
    }

    /// How many are taken.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    fn chunk(&self, index: usize) -> Option<&Chunk<T>> {
        self.chunks.get(index)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round_in_a_circle() {
        let mut numbers: Numbers<()> = Numbers::new();
        let limit = 310;
        for expected in 1..limit {
            assert_eq!(numbers.take_next(limit), Ok(expected));
        }
        assert_eq!(numbers.take_next(limit), Err(Errno::EAGAIN));
        numbers.free(5);
        numbers.free(301);
        numbers.free(309);
        assert_eq!(numbers.take_next(limit), Ok(301), "low numbers are for the first tasks only");
        numbers.free(301);
        assert_eq!(numbers.take_next(limit), Ok(309), "a freed number is not used again at once");
        assert_eq!(numbers.take_next(limit), Ok(301));
        assert_eq!(numbers.take_next(limit), Err(Errno::EAGAIN));
        assert_eq!(numbers.count(), 308);
    }

    #[test]
    fn a_lower_limit_does_not_strand_the_circle() {
        let mut numbers: Numbers<()> = Numbers::new();
        for _ in 0..1000 {
            numbers.take_next(2000).unwrap();
        }
        numbers.free(400);
        assert_eq!(numbers.take_next(500), Ok(400));
        assert_eq!(numbers.take_next(500), Err(Errno::EAGAIN));
    }

    #[test]
    fn chosen_numbers() {
        let mut numbers: Numbers<()> = Numbers::new();
        assert_eq!(numbers.take_this(0, 400), Err(Errno::EINVAL));
        assert_eq!(numbers.take_this(400, 400), Err(Errno::EINVAL));
        assert_eq!(numbers.take_this(399, 400), Ok(()));
        assert_eq!(numbers.take_this(399, 400), Err(Errno::EEXIST));
        assert_eq!(numbers.take_next(400), Ok(1));
    }

    #[test]
    fn only_published_numbers_are_found_in_order() {
        let mut numbers = Numbers::new();
        for _ in 0..200 {
            numbers.take_next(400).unwrap();
        }
        for number in [150, 3, 64] {
            numbers.publish(number, number * 10);
        }
        assert_eq!(numbers.get(4), None);
        assert_eq!(numbers.get(64), Some(&640));
        assert_eq!(numbers.next_from(0), Some((3, &30)));
        assert_eq!(numbers.next_from(4), Some((64, &640)));
        assert_eq!(numbers.next_from(65), Some((150, &1500)));
        assert_eq!(numbers.next_from(151), None);
        assert_eq!(numbers.free(64), Some(640));
        assert_eq!(numbers.next_from(4), Some((150, &1500)));
    }

    #[test]
    fn empty_chunks_are_given_back() {
        let mut numbers: Numbers<()> = Numbers::new();
        for _ in 0..256 {
            numbers.take_next(1000).unwrap();
        }
        for number in 1..=256 {
            numbers.free(number);
        }
        let chunks = numbers.chunks.iter().flatten().count();
        assert_eq!(chunks, 1, "only the one that the circle is in");
        assert_eq!(numbers.count(), 0);
    }
}
