//! `chmod`, `chown`, `utimensat`, `truncate`.

use errno::{Errno, Result};

use super::{Caller, Start};
use crate::attributes::SetAttributes;
use crate::credentials::{Access, Capabilities};
use crate::flags::LookupFlags;
use crate::inotify::{self, Events};
use crate::path::Path;
use crate::stat::{FileType, MODE_BITS, S_ISGID, S_ISUID};

/// A new owner; `None` leaves that part.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewOwner {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// What to do with one of a file's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChange {
    /// Set it to the date.
    Now,
    /// Leave it (`UTIME_OMIT`).
    Omit,
    /// Set it to this, in nanoseconds since 1970.
    To(u64),
}

impl TimeChange {
    fn value(self, now: u64) -> Option<u64> {
        match self {
            Self::Now => Some(now),
            Self::Omit => None,
            Self::To(time) => Some(time),
        }
    }
}

impl Caller<'_> {
    /// Changes the permission, set-ID and sticky bits of a file.
    ///
    /// # Errors
    /// EPERM: not the owner. EROFS. EOPNOTSUPP: a symbolic link.
    pub fn change_mode(&self, place: &Path, mode: u32) -> Result<()> {
        place.mount().require_writable()?;
        let stat = place.inode().stat()?;
        if stat.file_type == FileType::Symlink {
            return Err(Errno::EOPNOTSUPP);
        }
        if !self.credentials.owns(&stat) {
            return Err(Errno::EPERM);
        }
        let mut permissions = mode & MODE_BITS;
        if !self.credentials.in_group(stat.gid) && !self.credentials.capable(Capabilities::FSETID) {
            permissions &= !S_ISGID;
        }
        set(place, &SetAttributes { permissions: Some(permissions), ..Default::default() })
    }

    /// Changes the owner of a file. Set-ID bits of what is not a directory go.
    ///
    /// # Errors
    /// EPERM: only the owner gives a file to one of their own groups, and only CAP_CHOWN to
    /// somebody else. EROFS.
    pub fn change_owner(&self, place: &Path, owner: NewOwner) -> Result<()> {
        place.mount().require_writable()?;
        let stat = place.inode().stat()?;
        let is_owner = self.credentials.fsuid == stat.uid;
        let uid_allowed = owner.uid.is_none_or(|uid| is_owner && uid == stat.uid);
        let gid_allowed = owner
            .gid
            .is_none_or(|gid| is_owner && (gid == stat.gid || self.credentials.in_group(gid)));
        if !(uid_allowed && gid_allowed) {
            self.credentials.require(Capabilities::CHOWN)?;
        }
        let mut set = SetAttributes { uid: owner.uid, gid: owner.gid, ..Default::default() };
        if stat.file_type != FileType::Directory && (owner.uid.is_some() || owner.gid.is_some()) {
            // Set-group-ID without group execution means something else (mandatory locking), and
            // stays.
            let group_bit = if stat.permissions & 0o010 != 0 { S_ISGID } else { 0 };
            let kept = stat.permissions & !(S_ISUID | group_bit);
            set.permissions = (kept != stat.permissions).then_some(kept);
        }
        self::set(place, &set)
    }

    /// Sets the times of a file.
    ///
    /// # Errors
    /// EACCES: both to now, by somebody who is not the owner and may not write. EPERM: otherwise,
    /// not the owner. EROFS.
    pub fn change_times(
        &self,
        place: &Path,
        accessed: TimeChange,
        modified: TimeChange,
    ) -> Result<()> {
        if accessed == TimeChange::Omit && modified == TimeChange::Omit {
            return Ok(());
        }
        place.mount().require_writable()?;
        let stat = place.inode().stat()?;
        if !self.credentials.owns(&stat) {
            if accessed != TimeChange::Now || modified != TimeChange::Now {
                return Err(Errno::EPERM);
            }
            self.credentials.check(&stat.ownership(), Access::WRITE)?;
        }
        let now = time::realtime();
        set(
            place,
            &SetAttributes {
                accessed: accessed.value(now),
                modified: modified.value(now),
                ..Default::default()
            },
        )
    }

    /// Cuts or lengthens the file at a path. `limit` is how long the caller may make one
    /// (`RLIMIT_FSIZE`).
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); EISDIR, EINVAL (not a regular file), EACCES, EROFS, EFBIG,
    /// ENOSPC.
    pub fn truncate(&self, path: &[u8], size: u64, limit: u64) -> Result<()> {
        let place = self.lookup(&Start::Cwd, path, LookupFlags::FOLLOW)?;
        match place.inode().file_type() {
            FileType::Directory => return Err(Errno::EISDIR),
            FileType::Regular => {}
            _ => return Err(Errno::EINVAL),
        }
        if size > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        self.check(&place, Access::WRITE)?;
        place.inode().require_size(size, limit)?;
        set(&place, &SetAttributes { size: Some(size), ..Default::default() })
    }
}

/// Changes attributes, and tells who watches the file.
fn set(place: &Path, attributes: &SetAttributes) -> Result<()> {
    place.inode().set_attributes(attributes)?;
    let event = if attributes.size.is_some() { Events::MODIFY } else { Events::ATTRIB };
    inotify::tell(place.dentry(), event);
    Ok(())
}
