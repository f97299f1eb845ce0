//! What a mapping shows: nothing but zeros, or the pages of a file.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::{AtomicU64, Ordering};

use errno::Errno;
use memory::Page;
use sync::{LockClass, SpinLock};

/// What is called with a page and its index, and says whether to go on.
pub type Visit<'a> = dyn FnMut(u64, Page) -> ControlFlow<()> + 'a;

/// A file as mappings see it: pages by number. One `Arc` of it is one open file, which stays open
/// while it is mapped.
///
/// All of these may sleep. They are called with the address space's lock held, so a lock that they
/// take must not be held by anybody who copies to or from user memory.
pub trait Backing: Any + Send + Sync {
    /// The page at an index, counted in pages from the file's start.
    ///
    /// # Errors
    /// ENOMEM; anything else, beyond the file's end above all, gives the program SIGBUS.
    fn page(&self, index: u64) -> Result<Page, Errno>;

    /// The page at an index if it is at hand: no waiting, no reading, no making. Lets one fault
    /// fill in its neighbours.
    fn page_at_hand(&self, index: u64) -> Option<Page> {
        let _ = index;
        None
    }

    /// Calls with each page of a range that is at hand, and its index, in order, until told to stop; perhaps with a spin lock
    /// held. The range may be as long as an address space: it takes time for the pages only.
    fn pages_at_hand(&self, range: Range<u64>, visit: &mut Visit<'_>) {
        let _ = (range, visit);
    }

    /// A shared mapping is about to store into the page.
    ///
    /// # Errors
    /// If it cannot be stored into (ENOSPC, EIO): the program gets SIGBUS.
    fn mark_dirty(&self, index: u64) -> Result<(), Errno> {
        let _ = index;
        Ok(())
    }

    /// Writes dirty pages in the range back and waits for that (`msync` with `MS_SYNC`).
    ///
    /// # Errors
    /// EIO, ENOSPC.
    fn write_back(&self, pages: Range<u64>) -> Result<(), Errno> {
        let _ = pages;
        Ok(())
    }

    /// Writes the path as `/proc/PID/maps` shows it.
    ///
    /// # Errors
    /// Those of the writer.
    fn path(&self, out: &mut dyn fmt::Write) -> fmt::Result;

    /// The inode's number.
    fn inode(&self) -> u64;

    /// Major and minor number of the file system's device.
    fn device(&self) -> (u32, u32);

    /// What names the memory for futexes, the same for all that map it: device and inode in one number, as inode
    /// numbers stay below 2^40.
    fn futex_object(&self) -> u64 {
        let (major, minor) = self.device();
        u64::from(major) << 52 | u64::from(minor) << 40 | self.inode()
    }

    /// What a child's mappings show instead, if each process is to hold its own.
    fn for_child(&self) -> Option<Arc<dyn Backing>> {
        None
    }

    /// Whether its pages are memory and nothing else (tmpfs, shared anonymous memory), counted as
    /// `RssShmem`.
    fn is_shared_memory(&self) -> bool {
        false
    }
}

/// What a mapping shows.
#[derive(Clone)]
pub enum Source {
    /// Zeros at first, then what was stored.
    Anonymous,
    /// A file.
    File {
        /// Which.
        backing: Arc<dyn Backing>,
        /// Which of its pages comes first.
        first: u64,
    },
}

impl Source {
    /// The same file or memory, `pages` further on.
    pub(crate) fn advanced(&self, pages: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::File { backing, first } => {
                Self::File { backing: backing.clone(), first: first + pages }
            }
        }
    }

    /// Whether `next` goes on where this ends after `pages` pages.
    pub(crate) fn is_continued_by(&self, next: &Self, pages: u64) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::File { backing, first }, Self::File { backing: other, first: other_first }) => {
                Arc::ptr_eq(backing, other) && first + pages == *other_first
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::File { backing, first } => {
                backing.path(f)?;
                write!(f, "+{first:#x}")
            }
        }
    }
}

/// Outside all locks of `memory`.
static SHARED_PAGES: LockClass = LockClass::new("shared memory pages");

/// Memory that several map and no file system has: a file without a name, whose pages appear when they are touched. It
/// is what `MAP_SHARED | MAP_ANONYMOUS` maps, and segments of System V.
pub struct SharedMemory {
    pages: SpinLock<BTreeMap<u64, Page>>,
    length: u64,
    inode: u64,
}

impl SharedMemory {
    /// Memory of `length` pages.
    pub fn new(length: u64) -> Self {
        static INODE: AtomicU64 = AtomicU64::new(1);
        Self {
            pages: SpinLock::new(&SHARED_PAGES, BTreeMap::new()),
            length,
            inode: INODE.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// How many of its pages there are.
    pub fn resident(&self) -> usize {
        self.pages.lock().len()
    }
}

impl Backing for SharedMemory {
    fn page(&self, index: u64) -> Result<Page, Errno> {
        if let Some(page) = self.page_at_hand(index) {
            return Ok(page);
        }
        if index >= self.length {
            return Err(Errno::ENXIO);
        }
        let new = memory::alloc_page(None)?;
        // Another CPU may have been faster: its page counts.
        Ok(self.pages.lock().entry(index).or_insert(new).clone())
    }

    fn page_at_hand(&self, index: u64) -> Option<Page> {
        self.pages.lock().get(&index).cloned()
    }

    fn pages_at_hand(&self, range: Range<u64>, visit: &mut Visit<'_>) {
        for (&index, page) in self.pages.lock().range(range) {
            if visit(index, page.clone()).is_break() {
                return;
            }
        }
    }

    fn path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("/dev/zero (deleted)")
    }

    fn inode(&self) -> u64 {
        self.inode
    }

    fn device(&self) -> (u32, u32) {
        (0, 1)
    }

    /// Unlike any file's: a device and an inode that are shown here may be shown for a file as well.
    fn futex_object(&self) -> u64 {
        1 << 63 | self.inode
    }

    fn is_shared_memory(&self) -> bool {
        true
    }
}
