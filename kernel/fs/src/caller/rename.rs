//! `rename`.

use alloc::sync::Arc;

use errno::{Errno, Result};

use super::remove::tell_unlinked;
use super::{Caller, Start};
use crate::credentials::Access;
use crate::dentry::{Dentry, Names};
use crate::flags::RenameFlags;
use crate::inotify::{self, Events};
use crate::path::Path;
use crate::stat::FileType;
use crate::walk::{Last, Walker};

/// One of the two names: the directory, the name in it, and whether slashes follow.
struct End<'a> {
    directory: &'a Path,
    name: &'a [u8],
    slash: bool,
}

fn is_directory(dentry: &Dentry) -> bool {
    dentry.inode().file_type() == FileType::Directory
}

impl Caller<'_> {
    /// Renames.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup) for both; EXDEV, EBUSY (`.`, `..`, a mount point), EINVAL (a
    /// directory into itself, or flags), ENOTEMPTY, EISDIR, ENOTDIR, EEXIST (NOREPLACE), ENOENT
    /// (EXCHANGE with nothing there), EACCES, EPERM, EROFS.
    pub fn rename(
        &self,
        from: &Start,
        path: &[u8],
        to: &Start,
        new_path: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        if flags.contains(RenameFlags::WHITEOUT)
            || flags.contains(RenameFlags::NOREPLACE | RenameFlags::EXCHANGE)
        {
            return Err(Errno::EINVAL);
        }
        let mut old = Walker::new(self, from, path)?;
        let mut new = Walker::new(self, to, new_path)?;
        let Last::Name { range, slash } = old.go_to_last()? else { return Err(Errno::EBUSY) };
        let Last::Name { range: new_range, slash: new_slash } = new.go_to_last()? else {
            let taken = flags.contains(RenameFlags::NOREPLACE);
            return Err(if taken { Errno::EEXIST } else { Errno::EBUSY });
        };
        let old = End { directory: old.at(), name: old.name(&range), slash };
        let new = End { directory: new.at(), name: new.name(&new_range), slash: new_slash };
        if !Arc::ptr_eq(old.directory.mount(), new.directory.mount()) {
            return Err(Errno::EXDEV);
        }
        self.rename_in_mount(&old, &new, flags)
    }

    fn rename_in_mount(&self, old: &End<'_>, new: &End<'_>, flags: RenameFlags) -> Result<()> {
        let (from, to) = (old.directory.dentry(), new.directory.dentry());
        // The shape of the tree changes only under this lock; a rename within one directory leaves
        // it as it is.
        let superblock = old.directory.mount().superblock();
        let _shape = (!Arc::ptr_eq(from, to)).then(|| superblock.rename.lock());
        let (names, other_names) = Names::lock_both(from, to, old.directory.keeps_children());
        let new_names = other_names.as_ref();
        let victim = names.lookup(old.name)?;
        let target = find_target(new_names.unwrap_or(&names), new.name, flags)?;
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        check_shape(old, new, &victim, target.as_ref(), exchange)?;
        self.check_removal(old.directory, &victim)?;
        self.check_arrival(new.directory, &victim, target.as_ref(), exchange)?;
        if target.as_ref().is_some_and(|target| target.inode().is(victim.inode())) {
            // Two names of one file: nothing happens.
            return Ok(());
        }
        from.inode().rename(old.name, to.inode(), new.name, flags)?;
        match &target {
            Some(target) if exchange => names.exchanged(&victim, new_names, target),
            target => names.renamed(&victim, new_names, new.name, target.as_deref()),
        }
        drop((names, other_names));
        if inotify::is_active() {
            tell_renamed(old, new, &victim);
            match target {
                Some(target) if exchange => tell_renamed(new, old, &target),
                Some(replaced) => tell_unlinked(&replaced),
                None => {}
            }
        }
        Ok(())
    }

    /// Whether the caller may put something under the new name.
    fn check_arrival(
        &self,
        directory: &Path,
        victim: &Arc<Dentry>,
        target: Option<&Arc<Dentry>>,
        exchange: bool,
    ) -> Result<()> {
        let Some(target) = target else {
            return self.check(directory, Access::WRITE.and(Access::EXECUTE));
        };
        self.check_removal(directory, target)?;
        match (is_directory(victim), is_directory(target)) {
            _ if exchange => Ok(()),
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }
}

/// Tells both directories, and who watches what was moved.
fn tell_renamed(old: &End<'_>, new: &End<'_>, moved: &Arc<Dentry>) {
    let cookie = inotify::cookie();
    let kind = if is_directory(moved) { Events::ISDIR } else { Events::empty() };
    inotify::tell_inode(old.directory.inode(), Events::MOVED_FROM | kind, cookie, old.name);
    inotify::tell_inode(new.directory.inode(), Events::MOVED_TO | kind, cookie, new.name);
    inotify::tell_inode(moved.inode(), Events::MOVE_SELF, 0, b"");
}

/// What the new name leads to so far, if that goes with the flags.
fn find_target(names: &Names<'_>, name: &[u8], flags: RenameFlags) -> Result<Option<Arc<Dentry>>> {
    names.require_alive()?;
    match names.lookup(name) {
        Ok(_) if flags.contains(RenameFlags::NOREPLACE) => Err(Errno::EEXIST),
        Ok(target) => Ok(Some(target)),
        Err(Errno::ENOENT) if !flags.contains(RenameFlags::EXCHANGE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses what would cut a part off the tree, and slashes after what is not a directory.
fn check_shape(
    old: &End<'_>,
    new: &End<'_>,
    victim: &Arc<Dentry>,
    target: Option<&Arc<Dentry>>,
    exchange: bool,
) -> Result<()> {
    // The new name will be the victim's, and in an exchange the old one the target's.
    let new_name_is_directory = !exchange || target.is_some_and(|target| is_directory(target));
    if (old.slash || new.slash && !exchange) && !is_directory(victim)
        || new.slash && !new_name_is_directory
    {
        return Err(Errno::ENOTDIR);
    }
    if new.directory.dentry().is_within(victim) {
        return Err(Errno::EINVAL);
    }
    if target.is_some_and(|target| old.directory.dentry().is_within(target)) {
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
    }
    Ok(())
}
