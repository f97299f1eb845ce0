//! Who may do what with an object of System V.

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};

/// Whose an object is and who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Who made it.
    pub creator_uid: u32,
    /// The maker's group.
    pub creator_gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Permissions {
    /// Those of an object that somebody makes.
    pub(crate) fn of_new(who: &Credentials, mode: u32) -> Self {
        Self {
            uid: who.euid,
            gid: who.egid,
            creator_uid: who.euid,
            creator_gid: who.egid,
            mode: mode & 0o777,
        }
    }

    /// Whether somebody may read (4), change (2) or execute (1) what is so protected.
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, who: &Credentials, wanted: u32) -> Result<()> {
        let shift = if [self.uid, self.creator_uid].contains(&who.euid) {
            6
        } else if [self.gid, self.creator_gid].iter().any(|&gid| who.in_group(gid)) {
            3
        } else {
            0
        };
        let missing = wanted & !(self.mode >> shift);
        if missing == 0 || who.capable(Capabilities::IPC_OWNER) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    /// Whether somebody owns it or has made it.
    pub fn is_owned_by(&self, who: &Credentials) -> bool {
        [self.uid, self.creator_uid].contains(&who.euid)
    }

    /// Whether somebody may remove it or change its owner.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_owner(&self, who: &Credentials) -> Result<()> {
        if self.is_owned_by(who) || who.capable(Capabilities::SYS_ADMIN) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Gives it to somebody else.
    pub(crate) fn change(&mut self, to: &NewOwner) {
        (self.uid, self.gid, self.mode) = (to.uid, to.gid, to.mode & 0o777);
    }
}

/// What `IPC_SET` changes of each kind of object.
#[derive(Clone, Copy, Debug)]
pub struct NewOwner {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// How to get an object.
#[derive(Clone, Copy, Debug)]
pub struct Create {
    /// Make it if there is none (`IPC_CREAT`).
    pub make: bool,
    /// There must be none (`IPC_EXCL`).
    pub exclusive: bool,
    /// Permission bits of a new one, and what is wanted of one that is there.
    pub mode: u32,
}

impl Create {
    /// What is wanted of an object that is there.
    pub(crate) fn wanted(&self) -> u32 {
        (self.mode >> 6 | self.mode >> 3 | self.mode) & 7
    }
}
