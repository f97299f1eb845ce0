//! Where data comes from and goes to: user memory or the kernel's own, behind one face.
//!
//! A file's `write` takes from a [`Source`], its `read` gives to a [`Sink`], and neither knows
//! whose memory it is. Copies that meet a bad user address stop there: what was moved before
//! counts, and only a copy that moved nothing is an error (EFAULT).

use errno::{Errno, Result};
use memory::{PAGE_SIZE, Page};
use smallvec::SmallVec;

/// How much goes through the kernel stack at once where data cannot be copied directly.
const BOUNCE: usize = 1024;

/// Where a read puts its data. May sleep (user memory may have to be paged in).
pub trait Sink {
    /// Bytes that still fit.
    fn remaining(&self) -> usize;

    /// Appends bytes, and returns how many: fewer than given when it is full or after a bad
    /// address.
    ///
    /// # Errors
    /// EFAULT: the first byte's address is bad.
    fn put(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Appends zeros, up to `length`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn put_zeros(&mut self, length: usize) -> Result<usize> {
        const ZEROS: [u8; 256] = [0; 256];
        in_pieces(|done| {
            let piece = ZEROS.len().min(length - done).min(self.remaining());
            (piece > 0).then(|| (piece, self.put(&ZEROS[..piece])))
        })
    }

    /// Appends part of a page; the count is as [`put`](Self::put)'s.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn put_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        let mut buffer = [0; BOUNCE];
        in_pieces(|done| {
            let piece = BOUNCE.min(length - done).min(self.remaining());
            (piece > 0).then(|| {
                page.read(offset + done, &mut buffer[..piece]);
                (piece, self.put(&buffer[..piece]))
            })
        })
    }
}

/// Where a write takes its data. May sleep (user memory may have to be paged in).
pub trait Source {
    /// Bytes that are left.
    fn remaining(&self) -> usize;

    /// Takes the next bytes, and returns how many: fewer than asked for at the end or after a bad
    /// address.
    ///
    /// # Errors
    /// EFAULT: the first byte's address is bad.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// How long its writer may make a regular file (`RLIMIT_FSIZE`). Asked once a write, when its
    /// place is known.
    fn size_limit(&self) -> u64 {
        u64::MAX
    }

    /// Takes the next bytes into part of a page; the count is as [`take`](Self::take)'s.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn take_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        let mut buffer = [0; BOUNCE];
        in_pieces(|done| {
            let piece = BOUNCE.min(length - done).min(self.remaining());
            (piece > 0).then(|| {
                let taken = self.take(&mut buffer[..piece]);
                if let Ok(moved) = taken {
                    page.write(offset + done, &buffer[..moved]);
                }
                (piece, taken)
            })
        })
    }
}

/// Moves data in pieces: `next` is told how much is done, moves one, and says how long it was to be and how much of it was moved.
/// The last piece is the one that ends short, or before which `next` has no more. An error counts only if nothing was moved.
pub(crate) fn in_pieces(
    mut next: impl FnMut(usize) -> Option<(usize, Result<usize>)>,
) -> Result<usize> {
    let mut done = 0;
    while let Some((piece, outcome)) = next(done) {
        match outcome {
            Ok(moved) => {
                done += moved;
                if moved < piece {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Whether a long transfer that could go on for ever should end with what it has: a signal waits.
pub(crate) fn should_stop() -> bool {
    sched::has_current() && sched::current().signal_pending()
}

impl Sink for &mut [u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.len());
        let (now, later) = core::mem::take(self).split_at_mut(count);
        now.copy_from_slice(&bytes[..count]);
        *self = later;
        Ok(count)
    }

    fn put_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        let count = length.min(self.len());
        let (now, later) = core::mem::take(self).split_at_mut(count);
        page.read(offset, now);
        *self = later;
        Ok(count)
    }
}

impl Source for &[u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min(self.len());
        let (now, later) = self.split_at(count);
        buffer[..count].copy_from_slice(now);
        *self = later;
        Ok(count)
    }

    fn take_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        let (now, later) = self.split_at(length.min(self.len()));
        page.write(offset, now);
        *self = later;
        Ok(now.len())
    }
}

/// One stretch of user memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSegment {
    /// Where it starts.
    pub address: usize,
    /// Its bytes.
    pub length: usize,
}

/// User memory as a sink or source: one buffer, or the several of `readv` and `writev`.
#[derive(Debug)]
pub struct UserBuffer {
    segments: SmallVec<[UserSegment; 2]>,
    /// The segment that comes next; those before are used up.
    next: usize,
    remaining: usize,
}

/// The most that one call moves (`MAX_RW_COUNT`): a page less than 2 GiB.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;

/// The most segments of one call (`UIO_MAXIOV`).
pub const MAX_SEGMENTS: usize = 1024;

impl UserBuffer {
    /// One buffer. Lengths beyond [`MAX_RW_COUNT`] are cut. The address is looked at when it is
    /// used.
    pub fn new(address: usize, length: usize) -> Self {
        let length = length.min(MAX_RW_COUNT);
        let mut segments = SmallVec::new();
        segments.push(UserSegment { address, length });
        Self { segments, next: 0, remaining: length }
    }

    /// Several buffers, used in order.
    ///
    /// # Errors
    /// EINVAL: more than [`MAX_SEGMENTS`], or a length that is negative as `ssize_t`.
    pub fn vectored(list: impl IntoIterator<Item = UserSegment>) -> Result<Self> {
        let mut segments: SmallVec<[UserSegment; 2]> = SmallVec::new();
        let mut total = 0;
        for mut segment in list {
            if segments.len() == MAX_SEGMENTS || segment.length > isize::MAX as usize {
                return Err(Errno::EINVAL);
            }
            segment.length = segment.length.min(MAX_RW_COUNT - total);
            total += segment.length;
            segments.push(segment);
        }
        Ok(Self { segments, next: 0, remaining: total })
    }

    /// Runs `copy(address, done..done + piece)` over the next `length` bytes, in pieces that lie
    /// within one page: a page is there or not, so a piece that fails has moved nothing, and the
    /// count is right to the byte.
    fn advance(
        &mut self,
        length: usize,
        mut copy: impl FnMut(usize, core::ops::Range<usize>) -> Result<(), machine::Fault>,
    ) -> Result<usize> {
        let mut done = 0;
        while done < length && self.remaining > 0 {
            let segment = &mut self.segments[self.next];
            if segment.length == 0 {
                self.next += 1;
                continue;
            }
            let in_page = PAGE_SIZE - segment.address % PAGE_SIZE;
            let piece = in_page.min(segment.length).min(length - done);
            if copy(segment.address, done..done + piece).is_err() {
                return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
            }
            segment.address = segment.address.wrapping_add(piece);
            segment.length -= piece;
            self.remaining -= piece;
            done += piece;
        }
        Ok(done)
    }
}

impl Sink for UserBuffer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        self.advance(bytes.len(), |address, part| machine::user::copy_to(address, &bytes[part]))
    }

    fn put_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        self.advance(length, |address, part| {
            page.read_to_user(offset + part.start, address, part.len())
        })
    }

    fn put_zeros(&mut self, length: usize) -> Result<usize> {
        self.advance(length, |address, part| machine::user::clear(address, part.len()))
    }
}

impl Source for UserBuffer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.advance(buffer.len(), |address, part| {
            machine::user::copy_from(address, &mut buffer[part])
        })
    }

    fn take_page(&mut self, page: &Page, offset: usize, length: usize) -> Result<usize> {
        self.advance(length, |address, part| {
            page.write_from_user(offset + part.start, address, part.len())
        })
    }
}
