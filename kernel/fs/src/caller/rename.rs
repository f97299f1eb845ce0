//! `rename`.

use alloc::sync::Arc;

use errno::{Errno, Result};

use super::{Caller, Start};
use crate::credentials::Access;
use crate::dentry::{Dentry, Names};
use crate::flags::RenameFlags;
use crate::path::Path;
use crate::stat::FileType;
use crate::walk::{Last, Walker};

impl Caller<'_> {
    /// Renames.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup) for both; EXDEV, EBUSY (`.`, `..`, a mount point), EINVAL (a directory into itself, or flags), ENOTEMPTY, EISDIR,
    /// ENOTDIR, EEXIST (NOREPLACE), ENOENT (EXCHANGE with nothing there), EACCES, EPERM, EROFS.
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
        let Last::Name { range: old_range, slash: old_slash } = old.go_to_last()? else {
            return Err(Errno::EBUSY);
        };
        let Last::Name { range: new_range, slash: new_slash } = new.go_to_last()? else {
            return Err(if flags.contains(RenameFlags::NOREPLACE) {
                Errno::EEXIST
            } else {
                Errno::EBUSY
            });
        };
        let (old_name, new_name) = (old.name(&old_range), new.name(&new_range));
        if !Arc::ptr_eq(old.at().mount(), new.at().mount()) {
            return Err(Errno::EXDEV);
        }
        let (old_directory, new_directory) = (old.at(), new.at());
        let superblock = old_directory.mount().superblock();
        // The shape of the tree may only change under this lock; a rename within one directory leaves it as it is.
        let within_one = Arc::ptr_eq(old_directory.dentry(), new_directory.dentry());
        let _shape = if within_one { None } else { Some(superblock.rename.lock()) };
        let keep = old_directory.keeps_children();
        let (names, new_names) =
            Names::lock_both(old_directory.dentry(), new_directory.dentry(), keep);
        let victim = names.lookup(old_name)?;
        let target = match new_names.as_ref().unwrap_or(&names).lookup(new_name) {
            Ok(_) if flags.contains(RenameFlags::NOREPLACE) => return Err(Errno::EEXIST),
            Ok(target) => Some(target),
            Err(Errno::ENOENT) if flags.contains(RenameFlags::EXCHANGE) => {
                return Err(Errno::ENOENT);
            }
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        new_names.as_ref().unwrap_or(&names).require_alive()?;
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let is_directory = |dentry: &Dentry| dentry.inode().file_type() == FileType::Directory;
        if (old_slash || new_slash && !exchange) && !is_directory(&victim) {
            return Err(Errno::ENOTDIR);
        }
        if new_slash && exchange && target.as_deref().is_some_and(|target| !is_directory(target)) {
            return Err(Errno::ENOTDIR);
        }
        if new_directory.dentry().is_within(&victim) {
            return Err(Errno::EINVAL);
        }
        if target.as_ref().is_some_and(|target| old_directory.dentry().is_within(target)) {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        self.check_removal(old_directory, &victim)?;
        self.check_arrival(new_directory, &victim, target.as_ref(), exchange)?;
        if target.as_ref().is_some_and(|target| target.inode().is(victim.inode())) {
            // Two names of one file: nothing happens.
            return Ok(());
        }
        old_directory.inode().rename(old_name, new_directory.inode(), new_name, flags)?;
        match target {
            Some(target) if exchange => names.exchanged(&victim, new_names.as_ref(), &target),
            target => names.renamed(&victim, new_names.as_ref(), new_name, target.as_deref()),
        }
        Ok(())
    }

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
        if exchange {
            return Ok(());
        }
        let kinds = (victim.inode().file_type(), target.inode().file_type());
        match kinds {
            (FileType::Directory, FileType::Directory) => Ok(()),
            (FileType::Directory, _) => Err(Errno::ENOTDIR),
            (_, FileType::Directory) => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }
}
