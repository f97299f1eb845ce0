//! Who somebody is and what they may do.

use alloc::sync::Arc;

use crate::attributes::{Owner, Ownership};
use crate::stat::{FileType, Stat};
use bitflags::bitflags;
use errno::{Errno, Result};

bitflags! {
    /// Privileges that can be held one by one (`CAP_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Capabilities: u64 {
        /// Change owners at will.
        const CHOWN = 1 << 0;
        /// Ignore the permission bits.
        const DAC_OVERRIDE = 1 << 1;
        /// Ignore them for reading and searching.
        const DAC_READ_SEARCH = 1 << 2;
        /// Do what is the owner's to do.
        const FOWNER = 1 << 3;
        /// Keep set-ID bits when a file is changed.
        const FSETID = 1 << 4;
        /// Signal anybody.
        const KILL = 1 << 5;
        /// Change group IDs.
        const SETGID = 1 << 6;
        /// Change user IDs.
        const SETUID = 1 << 7;
        /// Change the capability sets.
        const SETPCAP = 1 << 8;
        /// Bind to low ports.
        const NET_BIND_SERVICE = 1 << 10;
        /// Set up networks.
        const NET_ADMIN = 1 << 12;
        /// Lock memory.
        const IPC_LOCK = 1 << 14;
        /// Ignore the permission bits of System V's objects.
        const IPC_OWNER = 1 << 15;
        /// Load modules.
        const SYS_MODULE = 1 << 16;
        /// Use raw input and output.
        const SYS_RAWIO = 1 << 17;
        /// Change the root directory.
        const SYS_CHROOT = 1 << 18;
        /// Trace anybody.
        const SYS_PTRACE = 1 << 19;
        /// Account processes.
        const SYS_PACCT = 1 << 20;
        /// Mount, and much else.
        const SYS_ADMIN = 1 << 21;
        /// Reboot.
        const SYS_BOOT = 1 << 22;
        /// Raise priorities, set others' affinity.
        const SYS_NICE = 1 << 23;
        /// Go over resource limits.
        const SYS_RESOURCE = 1 << 24;
        /// Set the clocks.
        const SYS_TIME = 1 << 25;
        /// Configure terminals.
        const SYS_TTY_CONFIG = 1 << 26;
        /// Make device nodes.
        const MKNOD = 1 << 27;
        /// Write audit records.
        const AUDIT_WRITE = 1 << 29;
        /// Configure the audit subsystem.
        const AUDIT_CONTROL = 1 << 30;
        /// Give files capabilities.
        const SETFCAP = 1 << 31;
        /// Read the kernel log.
        const SYSLOG = 1 << 34;
        /// Have a machine woken.
        const WAKE_ALARM = 1 << 35;
        /// All the others that Linux knows, so that masks survive a round trip.
        const _ = (1 << 41) - 1;
    }
}

impl Capabilities {
    /// Every capability there is (`CAP_LAST_CAP` is 40).
    pub const FULL: Self = Self::from_bits_retain((1 << 41) - 1);
}

/// What somebody wants to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// Nothing but to know that it is there.
    pub const EXIST: Self = Self(0);
    /// Execute it, or search the directory.
    pub const EXECUTE: Self = Self(1);
    /// Write it, or change the directory.
    pub const WRITE: Self = Self(2);
    /// Read it.
    pub const READ: Self = Self(4);

    /// From the lower bits of `access`'s mode.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 7)
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it includes all of `other`.
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The identity of a task. Never changed in place: who changes theirs makes a new one and swaps the
/// `Arc`.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The real user.
    pub uid: u32,
    /// The real group.
    pub gid: u32,
    /// The effective user, who counts for everything but files.
    pub euid: u32,
    /// The effective group.
    pub egid: u32,
    /// The user to come back to.
    pub suid: u32,
    /// The group to come back to.
    pub sgid: u32,
    /// Who counts for files.
    pub fsuid: u32,
    /// Which group counts for files.
    pub fsgid: u32,
    /// The other groups, sorted.
    pub groups: Arc<[u32]>,
    /// Privileges in force.
    pub effective: Capabilities,
    /// Privileges that may be put in force.
    pub permitted: Capabilities,
    /// Privileges that outlive `execve` as the program's file allows.
    pub inheritable: Capabilities,
    /// Privileges that can ever be had.
    pub bounding: Capabilities,
    /// Privileges that outlive `execve`.
    pub ambient: Capabilities,
    /// No program's file gives more rights any more.
    pub no_new_privileges: bool,
    /// Permitted privileges stay when the last of the superuser's IDs goes (PR_SET_KEEPCAPS).
    pub keep_capabilities: bool,
}

impl Credentials {
    /// The superuser with everything.
    pub fn root() -> Arc<Self> {
        Arc::new(Self {
            uid: 0,
            gid: 0,
            euid: 0,
            egid: 0,
            suid: 0,
            sgid: 0,
            fsuid: 0,
            fsgid: 0,
            groups: Arc::from([]),
            effective: Capabilities::FULL,
            permitted: Capabilities::FULL,
            inheritable: Capabilities::empty(),
            bounding: Capabilities::FULL,
            ambient: Capabilities::empty(),
            no_new_privileges: false,
            keep_capabilities: false,
        })
    }

    /// Whether the privilege is in force.
    pub fn capable(&self, capability: Capabilities) -> bool {
        self.effective.contains(capability)
    }

    /// EPERM unless the privilege is in force.
    pub fn require(&self, capability: Capabilities) -> Result<()> {
        if self.capable(capability) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Whether files of this group are ours by group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.binary_search(&gid).is_ok()
    }

    /// Whether this is the file's owner or may act as the owner.
    pub fn owns(&self, stat: &Stat) -> bool {
        self.fsuid == stat.uid || self.capable(Capabilities::FOWNER)
    }

    /// Checks the permission bits.
    ///
    /// # Errors
    /// EACCES: they do not allow the access.
    pub fn check(&self, file: &Ownership, access: Access) -> Result<()> {
        let Owner { uid, gid, permissions } = file.owner;
        let shift = if self.fsuid == uid {
            6
        } else if self.in_group(gid) {
            3
        } else {
            0
        };
        if (permissions >> shift) & access.0 == access.0 {
            return Ok(());
        }
        let is_directory = file.file_type == FileType::Directory;
        // The override never makes a file executable that nobody may execute.
        let executable = is_directory || permissions & 0o111 != 0;
        if self.capable(Capabilities::DAC_OVERRIDE)
            && (executable || !access.includes(Access::EXECUTE))
        {
            return Ok(());
        }
        let reading = if is_directory { Access::READ.and(Access::EXECUTE) } else { Access::READ };
        if self.capable(Capabilities::DAC_READ_SEARCH) && reading.includes(access) {
            return Ok(());
        }
        Err(Errno::EACCES)
    }

    /// The credentials that `access` and `faccessat` check: the real IDs as those for files.
    pub fn with_real_ids(&self) -> Self {
        let mut real = self.clone();
        real.fsuid = self.uid;
        real.fsgid = self.gid;
        real.effective = if self.uid == 0 { self.permitted } else { Capabilities::empty() };
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(uid: u32, gid: u32) -> Credentials {
        let mut credentials = (*Credentials::root()).clone();
        credentials.fsuid = uid;
        credentials.fsgid = gid;
        credentials.effective = Capabilities::empty();
        credentials
    }

    fn file(permissions: u32) -> Ownership {
        let owner = Owner { uid: 10, gid: 20, permissions };
        Ownership { file_type: FileType::Regular, owner }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        // The owner is refused what everybody else may do.
        assert_eq!(somebody(10, 20).check(&file(0o077), Access::READ), Err(Errno::EACCES));
        assert_eq!(somebody(11, 20).check(&file(0o070), Access::READ), Ok(()));
        assert_eq!(somebody(11, 20).check(&file(0o007), Access::READ), Err(Errno::EACCES));
        assert_eq!(somebody(11, 21).check(&file(0o004), Access::READ), Ok(()));
        let mut member = somebody(11, 21);
        member.groups = Arc::from([3, 20]);
        assert_eq!(member.check(&file(0o040), Access::READ), Ok(()));
    }

    #[test]
    fn root_executes_only_what_somebody_may_execute() {
        let root = Credentials::root();
        assert_eq!(root.check(&file(0o600), Access::EXECUTE), Err(Errno::EACCES));
        assert_eq!(root.check(&file(0o601), Access::EXECUTE), Ok(()));
        assert_eq!(root.check(&file(0), Access::READ.and(Access::WRITE)), Ok(()));
    }
}
