//! What is known about a file: its type, mode, owner, sizes and times.

use bitflags::bitflags;

use crate::attributes::{Owner, Ownership};

/// What kind of file an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A path to go on with.
    Symlink,
    /// A device that is read and written as a stream.
    CharDevice,
    /// A device of blocks.
    BlockDevice,
    /// A pipe with a name.
    Fifo,
    /// A socket with a name.
    Socket,
}

/// The bits of `st_mode` that hold the type.
pub const S_IFMT: u32 = 0o170000;
/// The bits of `st_mode` that may be changed: permissions, set-ID bits, sticky bit.
pub const MODE_BITS: u32 = 0o7777;
/// Set-user-ID.
pub const S_ISUID: u32 = 0o4000;
/// Set-group-ID; on a directory, new files take its group.
pub const S_ISGID: u32 = 0o2000;
/// Sticky: in such a directory only owners remove.
pub const S_ISVTX: u32 = 0o1000;

impl FileType {
    /// The type's bits in `st_mode`.
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::Fifo => 0o010000,
            Self::CharDevice => 0o020000,
            Self::Directory => 0o040000,
            Self::BlockDevice => 0o060000,
            Self::Regular => 0o100000,
            Self::Symlink => 0o120000,
            Self::Socket => 0o140000,
        }
    }

    /// The type in `st_mode`, if the bits are one.
    pub const fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & S_IFMT {
            0o010000 => Self::Fifo,
            0o020000 => Self::CharDevice,
            0o040000 => Self::Directory,
            0o060000 => Self::BlockDevice,
            0o100000 => Self::Regular,
            0o120000 => Self::Symlink,
            0o140000 => Self::Socket,
            _ => return None,
        })
    }

    /// `d_type` of a directory entry.
    pub const fn directory_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// The number of a device: which driver, which of its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The device.
    pub minor: u32,
}

impl DeviceNumber {
    /// Names a device.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// As `st_rdev` and `mknod` carry it.
    pub const fn encode(self) -> u64 {
        let (major, minor) = (self.major as u64, self.minor as u64);
        (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
    }

    /// From `st_rdev`'s form.
    pub const fn decode(number: u64) -> Self {
        Self {
            major: ((number >> 8) & 0xfff) as u32 | ((number >> 32) & 0xffff_f000) as u32,
            minor: (number & 0xff) as u32 | ((number >> 12) & 0xffff_ff00) as u32,
        }
    }
}

/// What `stat` tells. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The file system's device number.
    pub device: DeviceNumber,
    /// The inode number.
    pub inode: u64,
    /// What kind of file.
    pub file_type: FileType,
    /// Permission, set-ID and sticky bits.
    pub permissions: u32,
    /// Names that the inode has.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// For device nodes: which device.
    pub represents: DeviceNumber,
    /// Bytes.
    pub size: u64,
    /// The best size for reading and writing.
    pub block_size: u32,
    /// Units of 512 bytes in use.
    pub blocks: u64,
    /// Last read.
    pub accessed: u64,
    /// Last change of the contents.
    pub modified: u64,
    /// Last change of the contents or of what is told here.
    pub changed: u64,
    /// When it was made.
    pub created: u64,
}

impl Stat {
    /// The part of it that decides who may do what.
    pub const fn ownership(&self) -> Ownership {
        let Self { file_type, permissions, uid, gid, .. } = *self;
        Ownership { file_type, owner: Owner { uid, gid, permissions } }
    }

    /// The same file, of this owner.
    pub const fn owned_by(self, owner: Owner) -> Self {
        let Owner { uid, gid, permissions } = owner;
        Self { uid, gid, permissions, ..self }
    }

    /// A file with these essentials: owned by root, one link, no size and no times.
    pub const fn new(file_type: FileType, permissions: u32, inode: u64) -> Self {
        Self {
            device: DeviceNumber::new(0, 0),
            inode,
            file_type,
            permissions,
            links: if matches!(file_type, FileType::Directory) { 2 } else { 1 },
            uid: 0,
            gid: 0,
            represents: DeviceNumber::new(0, 0),
            size: 0,
            block_size: memory::PAGE_SIZE as u32,
            blocks: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
            created: 0,
        }
    }

    /// `st_mode`: type and permissions.
    pub const fn mode(&self) -> u32 {
        self.file_type.mode_bits() | self.permissions
    }
}

bitflags! {
    /// What may be done with a mounted file system (`MS_*` of `mount`, those that stay).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u32 {
        /// Nothing is changed.
        const RDONLY = 1 << 0;
        /// Set-ID bits have no effect.
        const NOSUID = 1 << 1;
        /// Device nodes cannot be opened.
        const NODEV = 1 << 2;
        /// Programs cannot be executed.
        const NOEXEC = 1 << 3;
        /// Writes wait for the medium.
        const SYNCHRONOUS = 1 << 4;
        /// Reading does not set the time of last access.
        const NOATIME = 1 << 10;
        /// As `NOATIME`, for directories.
        const NODIRATIME = 1 << 11;
        /// The time of last access is kept newer than that of the last change.
        const RELATIME = 1 << 21;
    }
}

/// What `statfs` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatFs {
    /// The number that marks the kind of file system.
    pub magic: u32,
    /// Bytes in a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks free.
    pub blocks_free: u64,
    /// Inodes in all.
    pub files: u64,
    /// Inodes free.
    pub files_free: u64,
}

/// The longest name in a directory, in bytes.
pub const NAME_MAX: usize = 255;
/// The longest path that a system call takes, with its NUL.
pub const PATH_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_survive_their_encoding() {
        assert_eq!(DeviceNumber::new(4, 64).encode(), 0x440);
        for number in [(1, 3), (4, 64), (0xfff, 0xff), (0x12345, 0xabcdef)] {
            let device = DeviceNumber::new(number.0, number.1);
            assert_eq!(DeviceNumber::decode(device.encode()), device);
        }
    }

    #[test]
    fn types_survive_their_mode_bits() {
        for file_type in [FileType::Regular, FileType::Directory, FileType::Fifo, FileType::Socket]
        {
            assert_eq!(FileType::from_mode(file_type.mode_bits() | 0o755), Some(file_type));
        }
        assert_eq!(FileType::Directory.directory_type(), 4);
        assert_eq!(FileType::from_mode(0o030000), None);
    }
}
