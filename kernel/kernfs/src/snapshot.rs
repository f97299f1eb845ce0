//! An open file whose contents are written on demand.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{File, FileOperations, Sink, Source};
use sync::{LockClass, SpinLock};

use crate::text::Text;

/// A leaf lock around a pointer.
static TEXT_LOCK: LockClass = LockClass::new("kernfs.snapshot");

/// The most bytes that one write may carry.
pub const MAX_WRITE: usize = 4096;

/// What a file shows, and what writing to it does. Called by tasks holding no lock; may sleep.
pub trait Contents: Send + Sync + 'static {
    /// Writes the text.
    ///
    /// # Errors
    /// What the reader gets, such as ESRCH. EINVAL: the file is not for reading.
    fn show(&self, text: &mut Text) -> Result<()>;

    /// Takes what was written by one call: at most [`MAX_WRITE`] bytes.
    ///
    /// # Errors
    /// What the writer gets. EINVAL: the file is not for writing, or the value is bad.
    fn store(&self, _bytes: &[u8]) -> Result<()> {
        Err(Errno::EINVAL)
    }
}

/// An open file. Reading from position 0 writes the text anew; programs that watch the system keep
/// the file open and go back to its beginning.
pub struct Snapshot<C> {
    contents: C,
    text: SpinLock<Option<Arc<Vec<u8>>>>,
}

impl<C: Contents> Snapshot<C> {
    /// For one open of a file.
    pub fn new(contents: C) -> Arc<Self> {
        Arc::new(Self { contents, text: SpinLock::new(&TEXT_LOCK, None) })
    }

    fn text_at(&self, position: u64) -> Result<Arc<Vec<u8>>> {
        if position > 0
            && let Some(text) = self.text.lock().clone()
        {
            return Ok(text);
        }
        let mut text = Text::new();
        self.contents.show(&mut text)?;
        let text = Arc::new(text.into_bytes()?);
        let old = self.text.lock().replace(text.clone());
        drop(old);
        Ok(text)
    }
}

impl<C: Contents> FileOperations for Snapshot<C> {
    fn read(&self, _file: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        if to.remaining() == 0 {
            return Ok(0);
        }
        let text = self.text_at(*position)?;
        let Some(rest) = usize::try_from(*position).ok().and_then(|start| text.get(start..)) else {
            return Ok(0);
        };
        let length = rest.len().min(to.remaining());
        let moved = to.put(&rest[..length])?;
        *position += moved as u64;
        Ok(moved)
    }

    fn write(&self, _file: &File, from: &mut dyn Source, position: &mut u64) -> Result<usize> {
        let length = from.remaining().min(MAX_WRITE);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(length, 0);
        let taken = from.take(&mut bytes)?;
        self.contents.store(&bytes[..taken])?;
        *position += taken as u64;
        Ok(taken)
    }

    fn end(&self, _file: &File) -> Result<u64> {
        // The length is known only once somebody reads; Linux refuses SEEK_END here.
        Err(Errno::EINVAL)
    }
}
