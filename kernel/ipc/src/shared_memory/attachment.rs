//! A segment as a mapping sees it.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use errno::Result;
use fs::Credentials;
use memory::Page;
use process::Pid;
use vm::Backing;

use super::Segment;

/// A place where a program has a segment. Whatever becomes of the mapping, cut into pieces or moved, all pieces hold the one
/// attachment, and the last one ends it.
pub struct Attachment {
    segment: Arc<Segment>,
}

impl Attachment {
    /// Attaches a segment for somebody who wants to read (4), write (2) and execute (1) it.
    ///
    /// # Errors
    /// EACCES, EIDRM.
    pub fn new(
        segment: Arc<Segment>,
        wanted: u32,
        who: &Credentials,
        pid: &Arc<Pid>,
    ) -> Result<Arc<Self>> {
        segment.status().permissions.check(who, wanted)?;
        segment.attach(pid)?;
        Ok(Arc::new(Self { segment }))
    }

    /// What is attached.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The attachment that a mapping holds, if it holds one.
    pub fn of(backing: &dyn Backing) -> Option<&Self> {
        (backing as &dyn core::any::Any).downcast_ref()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if self.segment.detach(process::current_process().pid().clone()) {
            super::forget(self.segment.number());
        }
    }
}

impl Backing for Attachment {
    fn page(&self, index: u64) -> Result<Page> {
        self.segment.memory.page(index)
    }

    fn page_at_hand(&self, index: u64) -> Option<Page> {
        self.segment.memory.page_at_hand(index)
    }

    fn pages_at_hand(&self, range: Range<u64>, visit: &mut vm::Visit<'_>) {
        self.segment.memory.pages_at_hand(range, visit);
    }

    fn path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "/SYSV{:08x} (deleted)", self.segment.key())
    }

    fn inode(&self) -> u64 {
        self.segment.number() as u64
    }

    fn device(&self) -> (u32, u32) {
        self.segment.memory.device()
    }

    fn is_shared_memory(&self) -> bool {
        true
    }

    fn futex_object(&self) -> u64 {
        self.segment.memory.futex_object()
    }

    fn for_child(&self) -> Option<Arc<dyn Backing>> {
        let segment = self.segment.clone();
        // This one keeps it from being gone.
        segment.attach(process::current_process().pid()).ok()?;
        Some(Arc::new(Self { segment }))
    }
}
