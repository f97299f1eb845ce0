//! The flags of `open` and its kin, with the numbers that user mode uses on x86-64.

use bitflags::bitflags;

bitflags! {
    /// How a file is opened, and what of that stays with it (`O_*`).
    ///
    /// The two lowest bits are the access mode and no flags: see [`OpenFlags::readable`] and
    /// [`OpenFlags::writable`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Open for writing only.
        const WRONLY = 0o1;
        /// Open for reading and writing.
        const RDWR = 0o2;
        /// Make the file if it is not there.
        const CREAT = 0o100;
        /// With `CREAT`: it must not be there.
        const EXCL = 0o200;
        /// Do not make a terminal the controlling one.
        const NOCTTY = 0o400;
        /// Cut the file to nothing.
        const TRUNC = 0o1000;
        /// Each write goes to the end.
        const APPEND = 0o2000;
        /// Reads and writes return EAGAIN instead of waiting.
        const NONBLOCK = 0o4000;
        /// Writes wait for the data to reach the medium.
        const DSYNC = 0o10000;
        /// Send SIGIO.
        const ASYNC = 0o20000;
        /// Do not go through the page cache.
        const DIRECT = 0o40000;
        /// Large sizes are fine; always so here.
        const LARGEFILE = 0o100000;
        /// Fail unless it is a directory.
        const DIRECTORY = 0o200000;
        /// Fail if it is a symbolic link.
        const NOFOLLOW = 0o400000;
        /// Do not set the time of last access.
        const NOATIME = 0o1000000;
        /// Close the descriptor when a program is executed.
        const CLOEXEC = 0o2000000;
        /// With `DSYNC` (`O_SYNC` is both): writes wait for data and metadata.
        const SYNC_METADATA = 0o4000000;
        /// The descriptor names a place only.
        const PATH = 0o10000000;
        /// With `DIRECTORY` (`O_TMPFILE` is both): an unnamed file in the directory.
        const TMPFILE_ONLY = 0o20000000;
    }
}

impl OpenFlags {
    /// The access mode's bits.
    pub const ACCESS_MODE: u32 = 0o3;
    /// `O_TMPFILE` as user mode has it.
    pub const TMPFILE: Self = Self::TMPFILE_ONLY.union(Self::DIRECTORY);
    /// What `fcntl(F_SETFL)` may change.
    pub const SETTABLE: Self = Self::APPEND
        .union(Self::NONBLOCK)
        .union(Self::ASYNC)
        .union(Self::DIRECT)
        .union(Self::NOATIME);
    /// What is done once at opening and not remembered.
    pub const CREATION: Self =
        Self::CREAT.union(Self::EXCL).union(Self::NOCTTY).union(Self::TRUNC).union(Self::CLOEXEC);

    /// Whether data may be read (access mode 3 is neither, as on Linux it only allows `ioctl`).
    pub const fn readable(self) -> bool {
        !self.contains(Self::PATH) && matches!(self.bits() & Self::ACCESS_MODE, 0 | 2)
    }

    /// Whether data may be written.
    pub const fn writable(self) -> bool {
        !self.contains(Self::PATH) && matches!(self.bits() & Self::ACCESS_MODE, 1 | 2)
    }
}

bitflags! {
    /// How a path is looked up (`AT_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LookupFlags: u32 {
        /// Follow a symbolic link in the last component.
        const FOLLOW = 1 << 0;
        /// An empty path means the start itself (`AT_EMPTY_PATH`).
        const EMPTY_PATH = 1 << 1;
        /// The result must be a directory.
        const DIRECTORY = 1 << 2;
    }
}

bitflags! {
    /// How to rename (`RENAME_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RenameFlags: u32 {
        /// The new name must be free.
        const NOREPLACE = 1 << 0;
        /// The two names change places.
        const EXCHANGE = 1 << 1;
        /// Leave a whiteout. No file system here has them.
        const WHITEOUT = 1 << 2;
    }
}
