//! Open files and directories in memory. A node has no state per open, so it serves them all
//! itself.

use errno::{Errno, Result};
use memory::Page;

use super::node::{Kind, Node};
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::{DirectorySink, Inode, emit_dots};
use crate::io::{Sink, Source};
use crate::operations::FileOperations;

/// `fallocate`: the size stays.
const FALLOC_KEEP_SIZE: u32 = 1;
/// `fallocate`: take space away.
const FALLOC_PUNCH_HOLE: u32 = 2;

impl FileOperations for Node {
    fn read(&self, file: &File, to: &mut dyn Sink, position: &mut u64) -> Result<usize> {
        let count = self.content()?.read(to, position)?;
        self.touch_accessed(file);
        Ok(count)
    }

    fn write(&self, file: &File, from: &mut dyn Source, position: &mut u64) -> Result<usize> {
        if from.remaining() == 0 {
            return Ok(0);
        }
        let content = self.content()?;
        let writer = content.writer();
        if file.flags().contains(OpenFlags::APPEND) {
            *position = content.size();
        }
        self.drop_set_id_bits(file);
        let outcome = content.write(&writer, from, position);
        drop(writer);
        self.touch_modified();
        outcome
    }

    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        if !emit_dots(file, position, to)? {
            return Ok(());
        }
        loop {
            let Some((name, node, next)) = self.directory()?.at(*position) else { break };
            if !to.entry(&name, node.number, node.file_type(), next) {
                break;
            }
            *position = next;
        }
        self.touch_accessed(file);
        Ok(())
    }

    fn is_mappable(&self) -> bool {
        matches!(self.kind, Kind::Regular(_))
    }

    fn page(&self, _file: &File, index: u64) -> Result<Page> {
        self.content()?.page(index)
    }

    fn page_at_hand(&self, _file: &File, index: u64) -> Option<Page> {
        self.content().ok()?.present_page(index).ok()?
    }

    fn pages_at_hand(&self, _file: &File, range: core::ops::Range<u64>, visit: &mut vm::Visit<'_>) {
        if let Ok(content) = self.content() {
            content.present_pages(range, visit);
        }
    }

    fn is_shared_memory(&self) -> bool {
        true
    }

    fn sync(&self, _file: &File) -> Result<()> {
        Ok(())
    }

    fn allocate(&self, _file: &File, mode: u32, offset: u64, length: u64) -> Result<()> {
        let content = self.content()?;
        match mode {
            0 | FALLOC_KEEP_SIZE => content.allocate(offset, length, mode == FALLOC_KEEP_SIZE)?,
            mode if mode == FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE => {
                content.punch_hole(offset, length);
            }
            _ => return Err(Errno::EOPNOTSUPP),
        }
        self.touch_modified();
        Ok(())
    }
}
