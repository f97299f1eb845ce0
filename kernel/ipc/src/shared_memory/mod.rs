//! Shared memory of System V.
//!
//! ```text
//!   get(key) ──> Segment ──attach──> Attachment: what a program's mapping holds; a child's has its own
//!                  │                     └── gone with its last page mapped
//!                  └── remove: found by its number only; gone with the last attachment
//! ```

mod attachment;
mod segment;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use errno::{Errno, Result};
use fs::Credentials;
use process::Pid;
use sync::LockClass;

use crate::permissions::{Create, Permissions};
use crate::registry::Registry;

pub use attachment::Attachment;
pub use segment::{Segment, Status};

/// A leaf.
static SEGMENTS_LOCK: LockClass = LockClass::new("ipc.segments");

/// The largest segment in bytes (`shmmax`).
pub static BYTES_MAX: AtomicU64 = AtomicU64::new(u64::MAX - (1 << 24));
/// The most pages of all segments (`shmall`).
pub static PAGES_MAX: AtomicU64 = AtomicU64::new(u64::MAX - (1 << 24));
/// The most segments (`shmmni`).
pub static SEGMENTS_MAX: AtomicI64 = AtomicI64::new(4096);

/// Pages of all segments, whether they have been touched or not.
static PAGES: AtomicU64 = AtomicU64::new(0);

static SEGMENTS: Registry<Segment> = Registry::new(&SEGMENTS_LOCK);

/// A claim to pages of all that there may be.
struct Claim(u64);

impl Claim {
    fn new(pages: u64) -> Result<Self> {
        let most = PAGES_MAX.load(Ordering::Relaxed);
        let add = |used: u64| used.checked_add(pages).filter(|&sum| sum <= most);
        match PAGES.try_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Self(pages)),
            Err(_) => Err(Errno::ENOSPC),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        PAGES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The segment with a key, which may be made for it. `reserve`: a new one has to fit into the machine's memory.
///
/// # Errors
/// ENOENT, EEXIST, EINVAL (no size, too large, or larger than it is), EACCES, ENOSPC, ENOMEM.
pub fn get(
    key: i32,
    size: usize,
    create: Create,
    reserve: bool,
    who: &Credentials,
    pid: &Arc<Pid>,
) -> Result<Arc<Segment>> {
    let most = usize::try_from(SEGMENTS_MAX.load(Ordering::Relaxed)).unwrap_or(0);
    let fits = |found: &Segment| {
        if found.size() < size {
            return Err(Errno::EINVAL);
        }
        found.status().permissions.check(who, create.wanted())
    };
    let prepare = || {
        if size == 0 || size as u64 > BYTES_MAX.load(Ordering::Relaxed) {
            return Err(Errno::EINVAL);
        }
        let pages = size.checked_next_multiple_of(memory::PAGE_SIZE).ok_or(Errno::ENOSPC)?;
        let claim = Claim::new((pages / memory::PAGE_SIZE) as u64)?;
        if reserve && pages > memory::total_bytes() {
            return Err(Errno::ENOMEM);
        }
        let permissions = Permissions::of_new(who, create.mode);
        let creator = pid.clone();
        Ok(move |number| Segment::new(number, key, size, claim, permissions, creator))
    };
    SEGMENTS.get(key, create, most, fits, prepare)
}

/// The segment with a number.
///
/// # Errors
/// EINVAL.
pub fn find(number: i32) -> Result<Arc<Segment>> {
    SEGMENTS.find(number)
}

/// The segment in a place, as `SHM_STAT` goes through them.
///
/// # Errors
/// EINVAL.
pub fn at(place: i32) -> Result<Arc<Segment>> {
    SEGMENTS.at(place)
}

/// The highest place that is taken.
pub fn highest_place() -> usize {
    SEGMENTS.highest_place()
}

/// All segments.
pub fn all() -> impl Iterator<Item = Arc<Segment>> {
    SEGMENTS.iter()
}

/// What all segments are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Segments.
    pub segments: usize,
    /// Pages that they could have.
    pub pages: u64,
    /// Pages that they have.
    pub resident: u64,
}

/// What all segments are.
pub fn usage() -> Usage {
    let pages = PAGES.load(Ordering::Relaxed);
    all().fold(Usage { pages, ..Usage::default() }, |sum, segment| Usage {
        segments: sum.segments + 1,
        resident: sum.resident + segment.resident(),
        ..sum
    })
}

/// Removes a segment, at once or with its last attachment; its key finds it no more.
///
/// # Errors
/// EINVAL, EPERM, EIDRM.
pub fn remove(number: i32, who: &Credentials) -> Result<()> {
    let segment = find(number)?;
    if segment.doom(who)? {
        forget(number);
    } else {
        SEGMENTS.take_key(number);
    }
    Ok(())
}

/// Takes a segment that has come to its end out of the registry.
fn forget(number: i32) {
    drop(SEGMENTS.remove(number));
}
