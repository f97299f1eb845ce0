//! `open`.

use alloc::format;
use alloc::sync::Arc;

use errno::{Errno, Result};

use super::{Caller, Start};
use crate::attributes::SetAttributes;
use crate::credentials::Access;
use crate::dentry::Dentry;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::{Inode, NewNode, NodeKind};
use crate::inotify::{self, Events};
use crate::path::Path;
use crate::stat::{FileType, MountFlags};
use crate::walk::{Last, Walker};

/// How to open.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The flags.
    pub flags: OpenFlags,
    /// Permission bits for a file that is made, before the umask.
    pub mode: u32,
}

/// Makes a node with a name in a directory.
pub type Make<'a> = &'a dyn Fn(&Arc<dyn Inode>, &[u8], &NewNode<'_>) -> Result<Arc<dyn Inode>>;

impl Caller<'_> {
    /// Opens a file, and makes it first if the flags say so. May wait for a FIFO's other end.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup). EEXIST (EXCL), EISDIR, ENOTDIR (DIRECTORY), ELOOP (NOFOLLOW),
    /// EACCES, EROFS, EINVAL (flags that do not go together), ENXIO, ENFILE.
    pub fn open(&self, start: &Start, path: &[u8], options: OpenOptions) -> Result<Arc<File>> {
        self.open_with(start, path, options, &|directory, name, node| directory.create(name, node))
    }

    /// As [`open`](Self::open), for who makes a file in another way than the directory does.
    ///
    /// # Errors
    /// As [`open`](Self::open); those of `make`.
    pub fn open_with(
        &self,
        start: &Start,
        path: &[u8],
        options: OpenOptions,
        make: Make<'_>,
    ) -> Result<Arc<File>> {
        let mut flags = options.flags;
        if flags.contains(OpenFlags::PATH) {
            flags &=
                OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC;
        }
        if flags.contains(OpenFlags::TMPFILE_ONLY) {
            return self.open_unnamed(start, path, flags, options.mode);
        }
        if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        let (place, made) = self.find_or_make(start, path, flags, options.mode, make)?;
        if !flags.contains(OpenFlags::PATH) {
            self.check_open(&place, flags, made)?;
        } else if flags.contains(OpenFlags::DIRECTORY) {
            require_directory(&place)?;
        }
        let file = File::open(place, flags, self.credentials)?;
        if !flags.contains(OpenFlags::PATH) {
            inotify::tell(file.path().dentry(), Events::OPEN);
        }
        Ok(file)
    }

    /// What is to be opened, and whether it has just been made.
    fn find_or_make(
        &self,
        start: &Start,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
        make: Make<'_>,
    ) -> Result<(Path, bool)> {
        let create = flags.contains(OpenFlags::CREAT);
        let exclusive = create && flags.contains(OpenFlags::EXCL);
        let mut walker = Walker::new(self, start, path)?;
        loop {
            let Last::Name { range, slash } = walker.go_to_last()? else {
                return match (create, exclusive) {
                    (_, true) => Err(Errno::EEXIST),
                    (true, false) => Err(Errno::EISDIR),
                    _ => Ok((walker.into_place(), false)),
                };
            };
            if create && slash {
                return Err(Errno::EISDIR);
            }
            let child = match walker.child(walker.name(&range)) {
                Ok(_) if exclusive => return Err(Errno::EEXIST),
                Ok(child) => child,
                Err(Errno::ENOENT) if create => {
                    let name = walker.name(&range);
                    match self.make_in(
                        walker.at(),
                        name,
                        false,
                        NodeKind::Regular,
                        mode & !self.fs.umask(),
                        make,
                    ) {
                        Ok(place) => return Ok((place, true)),
                        // Somebody made it in between: open theirs.
                        Err(Errno::EEXIST) if !exclusive => walker.child(walker.name(&range))?,
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            };
            let is_link = child.inode().file_type() == FileType::Symlink;
            if is_link && (slash || !flags.contains(OpenFlags::NOFOLLOW)) {
                walker.follow(&child)?;
                continue;
            }
            if slash {
                require_directory(&child)?;
            }
            return Ok((child, false));
        }
    }

    fn check_open(&self, place: &Path, flags: OpenFlags, made: bool) -> Result<()> {
        let writes = flags.bits() & OpenFlags::ACCESS_MODE != 0 || flags.contains(OpenFlags::TRUNC);
        match place.inode().file_type() {
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if writes || flags.contains(OpenFlags::CREAT) => {
                return Err(Errno::EISDIR);
            }
            FileType::CharDevice | FileType::BlockDevice
                if place.mount().flags().contains(MountFlags::NODEV) =>
            {
                return Err(Errno::EACCES);
            }
            FileType::Socket => return Err(Errno::ENXIO),
            _ => {}
        }
        if flags.contains(OpenFlags::DIRECTORY) {
            require_directory(place)?;
        }
        if made {
            // Whoever makes a file may use it as they asked, whatever mode they gave it.
            return Ok(());
        }
        let mut access = Access::EXIST;
        if flags.bits() & OpenFlags::ACCESS_MODE != OpenFlags::WRONLY.bits() {
            access = access.and(Access::READ);
        }
        if writes {
            access = access.and(Access::WRITE);
        }
        self.check(place, access)?;
        if flags.contains(OpenFlags::NOATIME) && !self.credentials.owns(&place.inode().stat()?) {
            return Err(Errno::EPERM);
        }
        if flags.contains(OpenFlags::TRUNC) && place.inode().file_type() == FileType::Regular {
            place.inode().set_attributes(&SetAttributes { size: Some(0), ..Default::default() })?;
            inotify::tell(place.dentry(), Events::MODIFY);
        }
        Ok(())
    }

    /// Opens a new file that has no name, in the file system of a directory.
    fn open_unnamed(
        &self,
        start: &Start,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<File>> {
        if !flags.contains(OpenFlags::DIRECTORY) || !flags.writable() {
            return Err(Errno::EINVAL);
        }
        let lookup = crate::LookupFlags::FOLLOW | crate::LookupFlags::DIRECTORY;
        let directory = self.lookup(start, path, lookup)?;
        self.check(&directory, Access::WRITE.and(Access::EXECUTE))?;
        let node = self.new_node(&directory, NodeKind::Regular, mode & !self.fs.umask())?;
        let inode = directory.inode().create_unnamed(&node)?;
        let shown = format!("#{}", inode.stat()?.inode);
        let dentry = Dentry::unnamed(inode, directory.dentry(), shown.as_bytes());
        let flags = flags.difference(OpenFlags::TMPFILE);
        File::open(directory.with_dentry(dentry), flags, self.credentials)
    }
}

fn require_directory(place: &Path) -> Result<()> {
    if place.inode().file_type() == FileType::Directory { Ok(()) } else { Err(Errno::ENOTDIR) }
}
