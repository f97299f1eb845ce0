//! `fd` and `fdinfo`: the open files.

use alloc::format;
use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use fs::{
    DirectorySink, Fd, File, FileOperations, FileTable, FileType, Inode, LinkTarget, OpenFlags,
    Stat,
};
use kernfs::{Contents, Snapshot, Text, list_with_dots};
use process::Thread;

use super::subject::{Subject, may_inspect};
use crate::root::parse_number;

/// The inode numbers of descriptors below their process: one range for each directory.
const FD_INODES: u64 = 1 << 24;
const FDINFO_INODES: u64 = 1 << 25;

/// Which of the two directories.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Links to the files.
    Links,
    /// Files about them.
    Info,
}

/// `fd`
pub(super) fn fd(subject: Subject) -> Arc<dyn Inode> {
    Arc::new(Descriptors { subject, kind: Kind::Links })
}

/// `fdinfo`
pub(super) fn fdinfo(subject: Subject) -> Arc<dyn Inode> {
    Arc::new(Descriptors { subject, kind: Kind::Info })
}

/// The subject's open files, for who may see them.
fn files(subject: &Subject) -> Result<Arc<FileTable>> {
    let task = subject.task()?;
    if !may_inspect(&task) {
        return Err(Errno::EACCES);
    }
    Thread::of(&task).files().ok_or(Errno::ENOENT)
}

struct Descriptors {
    subject: Subject,
    kind: Kind,
}

impl Kind {
    fn inode(self, fd: Fd) -> u64 {
        match self {
            Self::Links => FD_INODES + fd as u64,
            Self::Info => FDINFO_INODES + fd as u64,
        }
    }

    fn file_type(self) -> FileType {
        match self {
            Self::Links => FileType::Symlink,
            Self::Info => FileType::Regular,
        }
    }
}

impl Inode for Descriptors {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        let (permissions, index) = match self.kind {
            Kind::Links => (0o500, 2),
            Kind::Info => (0o555, 3),
        };
        self.subject.stat(FileType::Directory, permissions, index)
    }

    fn is_current(&self) -> bool {
        self.subject.is_there()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let number = parse_number(name).ok_or(Errno::ENOENT)?;
        let fd = Fd::try_from(number).map_err(|_| Errno::ENOENT)?;
        files(&self.subject)?.get(fd).map_err(|_| Errno::ENOENT)?;
        Ok(Arc::new(Descriptor { subject: self.subject.clone(), kind: self.kind, fd }))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        Ok(Arc::new(OpenDescriptors { subject: self.subject.clone(), kind: self.kind }))
    }
}

struct OpenDescriptors {
    subject: Subject,
    kind: Kind,
}

impl FileOperations for OpenDescriptors {
    /// Positions are descriptors.
    fn read_directory(
        &self,
        file: &File,
        position: &mut u64,
        to: &mut dyn DirectorySink,
    ) -> Result<()> {
        let files = match files(&self.subject) {
            Err(Errno::ENOENT) => return Ok(()),
            files => files?,
        };
        list_with_dots(file, position, to, |position, to| {
            while let Some(from) = Fd::try_from(*position).ok()
                && let Some((fd, _)) = files.next_open(from)
            {
                let next = fd as u64 + 1;
                let inode = self.subject.inode(self.kind.inode(fd));
                if !to.entry(format!("{fd}").as_bytes(), inode, self.kind.file_type(), next) {
                    break;
                }
                *position = next;
            }
            Ok(())
        })
    }
}

/// One descriptor in one of the directories.
struct Descriptor {
    subject: Subject,
    kind: Kind,
    fd: Fd,
}

impl Descriptor {
    fn file(&self) -> Result<Arc<File>> {
        files(&self.subject)?.get(self.fd).map_err(|_| Errno::ENOENT)
    }
}

impl Inode for Descriptor {
    fn file_type(&self) -> FileType {
        self.kind.file_type()
    }

    fn stat(&self) -> Result<Stat> {
        let permissions = match self.kind {
            Kind::Info => 0o400,
            Kind::Links => {
                let flags = self.file()?.flags();
                let read = if flags.readable() { 0o500 } else { 0 };
                read | if flags.writable() { 0o300 } else { 0 }
            }
        };
        self.subject.stat(self.file_type(), permissions, self.kind.inode(self.fd))
    }

    fn is_current(&self) -> bool {
        self.file().is_ok()
    }

    fn read_link(&self) -> Result<LinkTarget> {
        if self.kind != Kind::Links {
            return Err(Errno::EINVAL);
        }
        Ok(LinkTarget::Place(self.file()?.path().clone()))
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn FileOperations>> {
        if self.kind != Kind::Info {
            return Err(Errno::ELOOP);
        }
        self.file()?;
        Ok(Snapshot::new(Info(self)))
    }
}

/// What `fdinfo` tells about one descriptor.
struct Info(Arc<Descriptor>);

impl Contents for Info {
    fn show(&self, text: &mut Text) -> Result<()> {
        let file = self.0.file()?;
        let closes = files(&self.0.subject)?.is_close_on_exec(self.0.fd).unwrap_or(false);
        let flags = file.flags().bits() | if closes { OpenFlags::CLOEXEC.bits() } else { 0 };
        let position = file.last_position();
        writeln!(
            text,
            "pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{}",
            file.path().mount().id()
        )?;
        writeln!(text, "ino:\t{}", file.inode().stat()?.inode)?;
        Ok(file.operations().show_info(text)?)
    }
}
