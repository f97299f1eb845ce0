//! Descriptors: the numbers by which a process knows its open files.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::file::File;
use crate::lock;

/// Never held while a file is closed.
static TABLE_LOCK: LockClass = LockClass::new("file_table");

/// The most descriptors that any limit can allow (`/proc/sys/fs/nr_open`).
pub const NR_OPEN: usize = 1 << 20;

/// A descriptor.
pub type Fd = u32;

#[derive(Clone)]
struct Slot {
    file: Arc<File>,
    close_on_exec: bool,
}

#[derive(Clone, Default)]
struct Slots {
    slots: Vec<Option<Slot>>,
    /// No descriptor below this is free.
    first_free: usize,
}

impl Slots {
    /// The lowest free descriptor from `minimum` on.
    fn free_from(&self, minimum: usize) -> usize {
        let start = minimum.max(self.first_free);
        let rest = self.slots.get(start..).unwrap_or_default();
        rest.iter().position(Option::is_none).map_or(start.max(self.slots.len()), |at| start + at)
    }

    /// Makes the table long enough for a descriptor.
    fn reach(&mut self, fd: usize) -> Result<()> {
        if fd >= self.slots.len() {
            let more = fd + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize(fd + 1, None);
        }
        Ok(())
    }

    fn put(&mut self, fd: usize, slot: Slot) -> Result<Option<Slot>> {
        self.reach(fd)?;
        let old = self.slots[fd].replace(slot);
        if fd == self.first_free {
            self.first_free += 1;
        }
        Ok(old)
    }

    fn take(&mut self, fd: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(fd)?.take()?;
        self.first_free = self.first_free.min(fd);
        Some(slot)
    }
}

/// A table of descriptors, shared between tasks by `CLONE_FILES`.
pub struct FileTable {
    id: u64,
    slots: SpinLock<Slots>,
}

impl FileTable {
    fn build(slots: Slots) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, slots: SpinLock::new(&TABLE_LOCK, slots) })
    }

    /// An empty table.
    pub fn new() -> Arc<Self> {
        Self::build(Slots::default())
    }

    /// A table of its own with the same files, for a clone without `CLONE_FILES`, and for `execve`
    /// from a shared table.
    pub fn fork_copy(&self) -> Arc<Self> {
        Self::build(self.slots.lock().clone())
    }

    /// A number that no other table ever had: the owner of its record locks.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file of a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn get(&self, fd: Fd) -> Result<Arc<File>> {
        let slots = self.slots.lock();
        match slots.slots.get(fd as usize) {
            Some(Some(slot)) => Ok(slot.file.clone()),
            _ => Err(Errno::EBADF),
        }
    }

    /// Gives a file the lowest free descriptor below `limit` (RLIMIT_NOFILE).
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub fn add(&self, file: Arc<File>, close_on_exec: bool, limit: usize) -> Result<Fd> {
        self.add_from(0, file, close_on_exec, limit)
    }

    /// Gives a file the lowest free descriptor from `minimum` on (`F_DUPFD`).
    ///
    /// # Errors
    /// EINVAL: `minimum` is not below the limit. EMFILE, ENOMEM.
    pub fn add_from(
        &self,
        minimum: usize,
        file: Arc<File>,
        close_on_exec: bool,
        limit: usize,
    ) -> Result<Fd> {
        let limit = limit.min(NR_OPEN);
        if minimum != 0 && minimum >= limit {
            return Err(Errno::EINVAL);
        }
        let mut slots = self.slots.lock();
        let fd = slots.free_from(minimum);
        if fd >= limit {
            drop(slots);
            return Err(Errno::EMFILE);
        }
        slots.put(fd, Slot { file, close_on_exec })?;
        Ok(fd as Fd)
    }

    /// Makes `fd` a descriptor of the file, closing what it was (`dup2`, `dup3`).
    ///
    /// # Errors
    /// EBADF: `fd` is not below the limit. ENOMEM.
    pub fn replace(
        &self,
        fd: Fd,
        file: Arc<File>,
        close_on_exec: bool,
        limit: usize,
    ) -> Result<()> {
        if fd as usize >= limit.min(NR_OPEN) {
            return Err(Errno::EBADF);
        }
        let old = self.slots.lock().put(fd as usize, Slot { file, close_on_exec })?;
        self.closed(old);
        Ok(())
    }

    /// Closes a descriptor. The file itself is closed when nobody else has it open.
    ///
    /// # Errors
    /// EBADF.
    pub fn close(&self, fd: Fd) -> Result<()> {
        let slot = self.slots.lock().take(fd as usize);
        self.closed(Some(slot.ok_or(Errno::EBADF)?));
        Ok(())
    }

    /// Closes a descriptor if it is one of this file.
    pub fn close_file(&self, fd: Fd, file: &Arc<File>) {
        self.close_where(fd..=fd, |slot| Arc::ptr_eq(&slot.file, file));
    }

    /// What every close of a descriptor does: the file is told, and the process loses its record locks on it.
    fn closed(&self, slot: Option<Slot>) {
        if let Some(slot) = slot {
            slot.file.operations().flush(&slot.file);
            lock::posix::release(slot.file.inode(), self.id);
        }
    }

    /// Closes the descriptors in a range.
    pub fn close_range(&self, range: RangeInclusive<Fd>) {
        self.close_where(range, |_| true);
    }

    /// Closes the descriptors that are marked so, for `execve`.
    pub fn close_on_exec(&self) {
        self.close_where(0..=Fd::MAX, |slot| slot.close_on_exec);
    }

    /// Closes everything, when the last task that uses the table exits.
    pub fn close_all(&self) {
        self.close_where(0..=Fd::MAX, |_| true);
    }

    fn close_where(&self, range: RangeInclusive<Fd>, condition: impl Fn(&Slot) -> bool) {
        let mut next = *range.start() as usize;
        loop {
            let mut slots = self.slots.lock();
            let end = slots.slots.len().min(*range.end() as usize + 1);
            let Some(fd) = (next..end).find(|&fd| slots.slots[fd].as_ref().is_some_and(&condition))
            else {
                return;
            };
            let slot = slots.take(fd);
            // One at a time: closing may sleep.
            drop(slots);
            self.closed(slot);
            next = fd + 1;
        }
    }

    /// Whether `execve` closes a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn is_close_on_exec(&self, fd: Fd) -> Result<bool> {
        let slots = self.slots.lock();
        let slot = slots.slots.get(fd as usize).and_then(Option::as_ref);
        slot.map(|slot| slot.close_on_exec).ok_or(Errno::EBADF)
    }

    /// Says whether `execve` closes a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn set_close_on_exec(&self, fd: Fd, close_on_exec: bool) -> Result<()> {
        let mut slots = self.slots.lock();
        let slot = slots.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = close_on_exec;
        Ok(())
    }

    /// Marks the descriptors in a range (`close_range` with `CLOSE_RANGE_CLOEXEC`).
    pub fn set_close_on_exec_range(&self, range: RangeInclusive<Fd>) {
        let mut slots = self.slots.lock();
        let end = slots.slots.len().min(*range.end() as usize + 1);
        let start = (*range.start() as usize).min(end);
        for slot in slots.slots[start..end].iter_mut().flatten() {
            slot.close_on_exec = true;
        }
    }

    /// The first open descriptor from `from` on, with its file: for `/proc/PID/fd`.
    pub fn next_open(&self, from: Fd) -> Option<(Fd, Arc<File>)> {
        let slots = self.slots.lock();
        let rest = slots.slots.get(from as usize..)?;
        let found = rest.iter().enumerate().find_map(|(at, slot)| Some((at, slot.as_ref()?)));
        found.map(|(at, slot)| (from + at as Fd, slot.file.clone()))
    }

    /// How many descriptors the table has room for now (`FDSize` in `/proc/PID/status`).
    pub fn capacity(&self) -> usize {
        self.slots.lock().slots.len().next_power_of_two().max(64)
    }
}

impl Drop for FileTable {
    fn drop(&mut self) {
        // Whoever dropped the table without closing: record locks must not outlive their owner.
        self.close_all();
    }
}
