//! The contents of a file in memory: its pages and its size.
//!
//! A page that is not there reads as zeros and is made when it is written or mapped. Data is copied
//! without a spin lock held, as user memory may have to be paged in for that: a reader takes a
//! reference to the page and copies from it, so it may meet bytes that somebody is writing, as on
//! Linux. Writers and whoever changes the size go one at a time by the `writer` mutex. The lock
//! inside, of pages and size, is all that a page fault on a mapping needs.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;

use errno::{Errno, Result};
use memory::{PAGE_SIZE, Page};
use sched::{Mutex, MutexGuard};
use sync::{LockClass, SpinLock};

use super::budget::Budget;
use crate::io::{Sink, Source, in_pieces};

/// Held while user memory is copied; nothing of a file system is taken inside but spin locks.
static WRITER_LOCK: LockClass = LockClass::new("tmpfs.writer");
/// A leaf lock.
static PAGES_LOCK: LockClass = LockClass::new("tmpfs.pages");

struct Inner {
    size: u64,
    pages: BTreeMap<u64, Page>,
}

/// What a file contains.
pub(crate) struct Content {
    inner: SpinLock<Inner>,
    writer: Mutex<()>,
    budget: Arc<Budget>,
}

/// The pages of all instances.
static ALL_PAGES: Budget = Budget::new(Budget::UNLIMITED);

/// How many pages of memory hold files, in all instances: `Shmem` in `/proc/meminfo`.
pub fn pages_in_use() -> u64 {
    ALL_PAGES.used()
}

/// The right to change a [`Content`].
pub(crate) type Writer<'a> = MutexGuard<'a, ()>;

/// The length of the longest file.
const MAX_SIZE: u64 = i64::MAX as u64;

/// Splits an offset into the page and the place in it.
fn split(offset: u64) -> (u64, usize) {
    (offset / PAGE_SIZE as u64, (offset % PAGE_SIZE as u64) as usize)
}

/// How many pages a file of a size has.
fn pages_of(size: u64) -> u64 {
    size.div_ceil(PAGE_SIZE as u64)
}

impl Content {
    /// Nothing but zeros.
    pub(crate) fn new(budget: Arc<Budget>, size: u64) -> Self {
        let inner = Inner { size, pages: BTreeMap::new() };
        Self {
            inner: SpinLock::new(&PAGES_LOCK, inner),
            writer: Mutex::new(&WRITER_LOCK, ()),
            budget,
        }
    }

    fn charge(&self, count: u64) -> Result<()> {
        self.budget.charge(count)?;
        ALL_PAGES.charge(count)
    }

    fn release(&self, count: u64) {
        ALL_PAGES.release(count);
        self.budget.release(count);
    }

    pub(crate) fn size(&self) -> u64 {
        self.inner.lock().size
    }

    /// Pages in use.
    pub(crate) fn page_count(&self) -> u64 {
        self.inner.lock().pages.len() as u64
    }

    /// Waits for other writers. May sleep.
    pub(crate) fn writer(&self) -> Writer<'_> {
        self.writer.lock()
    }

    /// Reads from `position` on, and moves it.
    pub(crate) fn read(&self, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        in_pieces(|_| {
            let (index, offset) = split(*position);
            let (page, length) = {
                let inner = self.inner.lock();
                let left = inner.size.saturating_sub(*position);
                let in_page = (PAGE_SIZE - offset) as u64;
                (inner.pages.get(&index).cloned(), left.min(in_page) as usize)
            };
            (to.remaining() > 0 && length > 0).then(|| {
                let moved = match &page {
                    Some(page) => to.put_page(page, offset, length),
                    None => to.put_zeros(length),
                };
                *position += moved.unwrap_or(0) as u64;
                (length, moved)
            })
        })
    }

    /// Writes at `position` and moves it, as far as the longest file or the writer's limit allows.
    ///
    /// # Errors
    /// EFBIG: it begins there. ENOSPC, ENOMEM, EFAULT, if nothing was written.
    pub(crate) fn write(
        &self,
        _writer: &Writer<'_>,
        from: &mut dyn Source,
        position: &mut u64,
    ) -> Result<usize> {
        let end = from.size_limit().min(MAX_SIZE);
        in_pieces(|_| {
            let room = end.saturating_sub(*position).min((PAGE_SIZE - split(*position).1) as u64);
            let piece = from.remaining().min(room as usize);
            match (from.remaining(), room) {
                (0, _) => None,
                (_, 0) => Some((0, Err(Errno::EFBIG))),
                _ => {
                    let moved = self.write_in_page(from, *position, piece);
                    *position += moved.unwrap_or(0) as u64;
                    Some((piece, moved))
                }
            }
        })
    }

    fn write_in_page(&self, from: &mut dyn Source, position: u64, length: usize) -> Result<usize> {
        let (index, offset) = split(position);
        let present = self.inner.lock().pages.get(&index).cloned();
        let moved = match present {
            Some(page) => from.take_page(&page, offset, length)?,
            None => self.write_new_page(from, index, offset, length)?,
        };
        let mut inner = self.inner.lock();
        inner.size = inner.size.max(position + moved as u64);
        Ok(moved)
    }

    /// Fills a page before it gets into the file, so that no old contents can be seen and a page
    /// that is written whole need not be cleared first.
    fn write_new_page(
        &self,
        from: &mut dyn Source,
        index: u64,
        offset: usize,
        length: usize,
    ) -> Result<usize> {
        self.charge(1)?;
        let whole = length == PAGE_SIZE;
        let page =
            if whole { memory::alloc_page_for_overwrite(None) } else { memory::alloc_page(None) };
        let filled = page.and_then(|page| {
            let moved = from.take_page(&page, offset, length)?;
            if whole {
                clear(&page, moved, PAGE_SIZE);
            }
            Ok((page, moved))
        });
        let (page, moved) = filled.inspect_err(|_| self.release(1))?;
        let theirs = {
            let mut inner = self.inner.lock();
            let theirs = inner.pages.get(&index).cloned();
            if theirs.is_none() {
                inner.pages.insert(index, page.clone());
            }
            theirs
        };
        if let Some(theirs) = theirs {
            // A mapping has made the page in the meantime: that one stays.
            self.release(1);
            copy_part(&page, &theirs, offset, moved);
        }
        Ok(moved)
    }

    /// The page at an index, made if it is not there.
    ///
    /// # Errors
    /// ENXIO beyond the end; ENOSPC, ENOMEM.
    pub(crate) fn page(&self, index: u64) -> Result<Page> {
        if let Some(page) = self.present_page(index)? {
            return Ok(page);
        }
        self.charge(1)?;
        let fresh = memory::alloc_page(None).inspect_err(|_| self.release(1))?;
        let mut inner = self.inner.lock();
        let outcome = if index >= pages_of(inner.size) {
            Err(Errno::ENXIO)
        } else if let Some(theirs) = inner.pages.get(&index) {
            Ok(theirs.clone())
        } else {
            inner.pages.insert(index, fresh.clone());
            return Ok(fresh);
        };
        drop(inner);
        self.release(1);
        outcome
    }

    /// The page at an index if it is there.
    ///
    /// # Errors
    /// ENXIO beyond the end.
    pub(crate) fn present_page(&self, index: u64) -> Result<Option<Page>> {
        let inner = self.inner.lock();
        if index >= pages_of(inner.size) {
            return Err(Errno::ENXIO);
        }
        Ok(inner.pages.get(&index).cloned())
    }

    /// Calls with each page in a range that is there, under the lock of the pages.
    pub(crate) fn present_pages(&self, range: Range<u64>, visit: &mut vm::Visit<'_>) {
        let inner = self.inner.lock();
        let end = range.end.min(pages_of(inner.size));
        if range.start < end {
            for (&index, page) in inner.pages.range(range.start..end) {
                if visit(index, page.clone()).is_break() {
                    return;
                }
            }
        }
    }

    /// Changes the size.
    pub(crate) fn resize(&self, _writer: &Writer<'_>, size: u64) {
        let (gone, tail) = {
            let mut inner = self.inner.lock();
            let shrinks = size < inner.size;
            inner.size = size;
            if !shrinks {
                return;
            }
            let (index, offset) = split(size);
            let gone = inner.pages.split_off(&pages_of(size));
            (gone, inner.pages.get(&index).cloned().map(|page| (page, offset)))
        };
        self.release(gone.len() as u64);
        if let Some((page, offset)) = tail {
            // What lay beyond the end must not come back when the file grows again.
            clear(&page, offset, PAGE_SIZE);
        }
    }

    /// Makes the pages of a range, and lengthens the file to its end unless `keep_size`.
    ///
    /// # Errors
    /// ENOSPC, ENOMEM.
    pub(crate) fn allocate(&self, offset: u64, length: u64, keep_size: bool) -> Result<()> {
        let writer = self.writer();
        let range = split(offset).0..pages_of(offset + length);
        if range.end - range.start > self.budget.available() + self.page_count() {
            return Err(Errno::ENOSPC);
        }
        for index in range {
            if self.inner.lock().pages.contains_key(&index) {
                continue;
            }
            self.charge(1)?;
            let page = memory::alloc_page(None).inspect_err(|_| self.release(1))?;
            let theirs = {
                let mut inner = self.inner.lock();
                let theirs = inner.pages.contains_key(&index);
                if !theirs {
                    inner.pages.insert(index, page);
                }
                theirs
            };
            if theirs {
                self.release(1);
            }
        }
        if !keep_size && offset + length > self.size() {
            self.resize(&writer, offset + length);
        }
        Ok(())
    }

    /// Takes the pages of a range away, so that it reads as zeros.
    pub(crate) fn punch_hole(&self, offset: u64, length: u64) {
        let _writer = self.writer();
        let end = offset + length;
        let (first, last) = (pages_of(offset), split(end).0);
        for (index, from, to) in edges(offset, end) {
            let page = self.inner.lock().pages.get(&index).cloned();
            if let Some(page) = page {
                clear(&page, from, to);
            }
        }
        if first >= last {
            return;
        }
        let gone = {
            let mut inner = self.inner.lock();
            let mut gone = inner.pages.split_off(&first);
            let mut kept = gone.split_off(&last);
            inner.pages.append(&mut kept);
            gone
        };
        self.release(gone.len() as u64);
    }
}

/// The parts of pages at the edges of a range of bytes: page, from, to.
fn edges(start: u64, end: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let ((first, from), (last, to)) = (split(start), split(end));
    let head = if first == last {
        Some((first, from, to))
    } else {
        (from != 0).then_some((first, from, PAGE_SIZE))
    };
    let tail = (first != last && to != 0).then_some((last, 0, to));
    head.into_iter().chain(tail).filter(|&(_, from, to)| from < to)
}

fn clear(page: &Page, from: usize, to: usize) {
    const ZEROS: [u8; 512] = [0; 512];
    let mut at = from;
    while at < to {
        let piece = ZEROS.len().min(to - at);
        page.write(at, &ZEROS[..piece]);
        at += piece;
    }
}

fn copy_part(from: &Page, to: &Page, offset: usize, length: usize) {
    let mut buffer = [0; 512];
    let mut at = offset;
    while at < offset + length {
        let piece = buffer.len().min(offset + length - at);
        from.read(at, &mut buffer[..piece]);
        to.write(at, &buffer[..piece]);
        at += piece;
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let pages = self.inner.get_mut().pages.len() as u64;
        self.release(pages);
    }
}

#[cfg(test)]
mod tests {
    use super::edges;

    #[test]
    fn edges_of_a_hole() {
        let all = |start, end| edges(start, end).collect::<Vec<_>>();
        assert_eq!(all(0, 8192), []);
        assert_eq!(all(1, 2), [(0, 1, 2)]);
        assert_eq!(all(1, 4096), [(0, 1, 4096)]);
        assert_eq!(all(4095, 8193), [(0, 4095, 4096), (2, 0, 1)]);
        assert_eq!(all(4096, 4096), []);
    }
}
