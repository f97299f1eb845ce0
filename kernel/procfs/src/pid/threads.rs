//! `task`: the threads of a process.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{DirectorySink, File, FileOperations, FileType, Inode, OpenFlags, Stat};
use kernfs::list_with_dots;
use process::Thread;

use super::directory::PidDirectory;
use super::subject::{Scope, Subject};
use crate::root::parse_number;

/// The index of the directory's inode below its process.
const INODE: u64 = 1;

/// The directory of a process's threads.
pub(super) fn directory(subject: Subject) -> Arc<dyn Inode> {
    Arc::new(Threads { subject })
}

struct Threads {
    subject: Subject,
}

impl Inode for Threads {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        self.subject.stat(FileType::Directory, 0o555, INODE)
    }

    fn is_current(&self) -> bool {
        self.subject.is_there()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let number = parse_number(name).ok_or(Errno::ENOENT)?;
        let task = self.subject.task().map_err(|_| Errno::ENOENT)?;
        let pid = self.subject.namespace().find(number).ok_or(Errno::ENOENT)?;
        let thread = pid.task().ok_or(Errno::ENOENT)?;
        if !Arc::ptr_eq(Thread::of(&task).process(), Thread::of(&thread).process()) {
            return Err(Errno::ENOENT);
        }
        Ok(Arc::new(PidDirectory::new(self.subject.sibling(pid, Scope::Thread))))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenThreads(self.subject.clone())))
    }
}

struct OpenThreads(Subject);

impl FileOperations for OpenThreads {
    /// Positions are thread numbers, so threads that come and go move nobody.
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        let task = self.0.task().map_err(|_| Errno::ENOENT)?;
        let namespace = self.0.namespace();
        let mut numbers: Vec<_> = Thread::of(&task)
            .process()
            .threads()
            .iter()
            .map(|thread| {
                let pid = Thread::of(thread).pid();
                (u64::from(pid.number_in(namespace)), self.0.sibling(pid, Scope::Thread))
            })
            .filter(|&(number, _)| number != 0)
            .collect();
        numbers.sort_unstable_by_key(|&(number, _)| number);
        list_with_dots(file, position, to, |position, to| {
            let from = *position;
            for (number, thread) in numbers.iter().filter(|&&(number, _)| number >= from) {
                let name = format!("{number}");
                let next = number + 1;
                if !to.entry(name.as_bytes(), thread.inode(0), FileType::Directory, next) {
                    break;
                }
                *position = next;
            }
            Ok(())
        })
    }
}
