//! An open file as a mapping sees it.

use core::fmt;

use errno::Result;
use memory::Page;

use crate::file::File;

/// One `File` is one backing: while it is mapped it stays open.
impl vm::Backing for File {
    fn page(&self, index: u64) -> Result<Page> {
        self.operations().page(self, index)
    }

    fn page_at_hand(&self, index: u64) -> Option<Page> {
        self.operations().page_at_hand(self, index)
    }

    fn pages_at_hand(&self, range: core::ops::Range<u64>, visit: &mut vm::Visit<'_>) {
        self.operations().pages_at_hand(self, range, visit);
    }

    fn write_back(&self, _pages: core::ops::Range<u64>) -> Result<()> {
        self.sync()
    }

    fn path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for chunk in self.path().to_absolute_bytes().utf8_chunks() {
            out.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                out.write_str("?")?;
            }
        }
        Ok(())
    }

    fn inode(&self) -> u64 {
        self.path().inode().stat().map_or(0, |stat| stat.inode)
    }

    fn device(&self) -> (u32, u32) {
        self.path().inode().stat().map_or((0, 0), |stat| (stat.device.major, stat.device.minor))
    }

    fn is_shared_memory(&self) -> bool {
        self.operations().is_shared_memory()
    }
}
