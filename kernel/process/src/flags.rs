//! The clone flags, and which of them go together.

use bitflags::bitflags;
use errno::{Errno, Result};

bitflags! {
    /// What a new task shares with its creator, and what else is to happen (`CLONE_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        /// Share the memory.
        const VM = 0x100;
        /// Share root, working directory and umask.
        const FS = 0x200;
        /// Share the open files.
        const FILES = 0x400;
        /// Share the signal actions.
        const SIGHAND = 0x800;
        /// Store a pidfd for the child.
        const PIDFD = 0x1000;
        /// The creator's tracer traces the child too.
        const PTRACE = 0x2000;
        /// Hold the creator until the child has executed a program or ended.
        const VFORK = 0x4000;
        /// The child's parent is the creator's parent.
        const PARENT = 0x8000;
        /// The child is a thread of the creator's process.
        const THREAD = 0x1_0000;
        /// A mount namespace of its own.
        const NEWNS = 0x2_0000;
        /// Share System V semaphore adjustments.
        const SYSVSEM = 0x4_0000;
        /// Set the thread pointer.
        const SETTLS = 0x8_0000;
        /// Store the child's number in the creator's memory.
        const PARENT_SETTID = 0x10_0000;
        /// Clear the child's number in the child's memory at its end, and wake a futex there.
        const CHILD_CLEARTID = 0x20_0000;
        /// Without effect.
        const DETACHED = 0x40_0000;
        /// No tracer may force itself on the child.
        const UNTRACED = 0x80_0000;
        /// Store the child's number in the child's memory.
        const CHILD_SETTID = 0x100_0000;
        /// A cgroup namespace of its own.
        const NEWCGROUP = 0x200_0000;
        /// A UTS namespace of its own.
        const NEWUTS = 0x400_0000;
        /// An IPC namespace of its own.
        const NEWIPC = 0x800_0000;
        /// A user namespace of its own.
        const NEWUSER = 0x1000_0000;
        /// A PID namespace of its own.
        const NEWPID = 0x2000_0000;
        /// A network namespace of its own.
        const NEWNET = 0x4000_0000;
        /// Share the input and output context.
        const IO = 0x8000_0000;
        /// All signal handlers back to default (`clone3`).
        const CLEAR_SIGHAND = 0x1_0000_0000;
        /// Into a cgroup given by a file descriptor (`clone3`).
        const INTO_CGROUP = 0x2_0000_0000;
        /// A time namespace of its own (`clone3`, `unshare`).
        const NEWTIME = 0x80;
    }
}

impl CloneFlags {
    /// The low byte of `clone`'s flags is the exit signal.
    pub const SIGNAL_MASK: u64 = 0xff;

    /// What asks for a namespace and so for privilege.
    pub const NAMESPACES: Self = Self::NEWNS
        .union(Self::NEWCGROUP)
        .union(Self::NEWUTS)
        .union(Self::NEWIPC)
        .union(Self::NEWPID)
        .union(Self::NEWNET)
        .union(Self::NEWTIME);

    /// Namespaces that this kernel has only the initial one of.
    const ABSENT: Self = Self::NEWCGROUP
        .union(Self::NEWIPC)
        .union(Self::NEWUSER)
        .union(Self::NEWNET)
        .union(Self::NEWTIME);

    /// Splits what `clone` is given into flags and the exit signal.
    pub const fn from_clone(bits: u64) -> (Self, u32) {
        let flags = bits & 0xffff_ffff & !Self::SIGNAL_MASK;
        (Self::from_bits_truncate(flags), (bits & Self::SIGNAL_MASK) as u32)
    }

    /// Takes `clone3`'s flags.
    ///
    /// # Errors
    /// EINVAL: unknown ones, or ones that `clone3` does not take.
    pub fn from_clone3(bits: u64, exit_signal: u64) -> Result<Self> {
        let flags = Self::from_bits(bits).ok_or(Errno::EINVAL)?;
        let parentless = flags.intersects(Self::THREAD | Self::PARENT);
        if flags.contains(Self::DETACHED)
            || flags.contains(Self::SIGHAND | Self::CLEAR_SIGHAND)
            || exit_signal > u64::from(crate::signal::SIGNAL_MAX)
            || parentless && exit_signal != 0
        {
            return Err(Errno::EINVAL);
        }
        Ok(flags)
    }

    /// Refuses what does not go together, as Linux does.
    ///
    /// # Errors
    /// EINVAL.
    pub fn validate(self) -> Result<()> {
        let with_fs = Self::NEWNS | Self::NEWUSER;
        if self.contains(Self::FS) && self.intersects(with_fs) {
            return Err(Errno::EINVAL);
        }
        if self.contains(Self::THREAD) && !self.contains(Self::SIGHAND) {
            return Err(Errno::EINVAL);
        }
        if self.contains(Self::SIGHAND) && !self.contains(Self::VM) {
            return Err(Errno::EINVAL);
        }
        if self.contains(Self::THREAD) && self.intersects(Self::NEWUSER | Self::NEWPID) {
            return Err(Errno::EINVAL);
        }
        if self.contains(Self::PIDFD) && self.intersects(Self::DETACHED | Self::THREAD) {
            return Err(Errno::EINVAL);
        }
        if self.contains(Self::SIGHAND | Self::CLEAR_SIGHAND) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Refuses namespaces that this kernel does not have, as a Linux that was built without them
    /// does.
    ///
    /// # Errors
    /// EINVAL.
    pub fn validate_namespaces(self) -> Result<()> {
        if self.intersects(Self::ABSENT) { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c02_what_linux_refuses_is_refused() {
        let refused = [
            CloneFlags::FS | CloneFlags::NEWNS,
            CloneFlags::FS | CloneFlags::NEWUSER,
            CloneFlags::THREAD,
            CloneFlags::THREAD | CloneFlags::VM,
            CloneFlags::SIGHAND,
            CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM | CloneFlags::NEWPID,
            CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM | CloneFlags::PIDFD,
            CloneFlags::PIDFD | CloneFlags::DETACHED,
            CloneFlags::SIGHAND | CloneFlags::VM | CloneFlags::CLEAR_SIGHAND,
        ];
        for flags in refused {
            assert_eq!(flags.validate(), Err(Errno::EINVAL), "{flags:?}");
        }
        let taken = [
            CloneFlags::empty(),
            CloneFlags::VM | CloneFlags::VFORK,
            CloneFlags::VM | CloneFlags::SIGHAND | CloneFlags::THREAD,
            CloneFlags::VM | CloneFlags::UNTRACED | CloneFlags::FS | CloneFlags::FILES,
            CloneFlags::NEWPID | CloneFlags::NEWUTS,
            CloneFlags::DETACHED,
            CloneFlags::INTO_CGROUP,
        ];
        for flags in taken {
            assert_eq!(flags.validate(), Ok(()), "{flags:?}");
        }
    }

    #[test]
    fn c02_clone_and_clone3_read_their_flags() {
        let (flags, signal) = CloneFlags::from_clone(0x4111);
        assert_eq!((flags, signal), (CloneFlags::VM | CloneFlags::VFORK, 17));
        let (flags, signal) = CloneFlags::from_clone(0x1_0000_0080);
        assert_eq!((flags, signal), (CloneFlags::empty(), 128), "no bits of clone3's");
        assert_eq!(CloneFlags::from_clone3(1 << 60, 0), Err(Errno::EINVAL));
        assert_eq!(CloneFlags::from_clone3(0x11, 0), Err(Errno::EINVAL), "no signal in the flags");
        assert_eq!(CloneFlags::from_clone3(0, 65), Err(Errno::EINVAL));
        assert_eq!(CloneFlags::from_clone3(0x8000, 17), Err(Errno::EINVAL));
        assert_eq!(CloneFlags::from_clone3(0x100, 17), Ok(CloneFlags::VM));
    }
}
