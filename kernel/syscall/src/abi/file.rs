//! Files.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::time::Timespec;

/// `struct stat`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Stat {
    /// The device it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Zero.
    pub pad: u32,
    /// The device that it is, if it is one.
    pub special: u64,
    /// Bytes.
    pub size: i64,
    /// What to read at once.
    pub block_size: i64,
    /// Blocks of 512 bytes.
    pub blocks: i64,
    /// Last read.
    pub accessed: Timespec,
    /// Last written.
    pub modified: Timespec,
    /// Last changed in any way.
    pub changed: Timespec,
    /// Zero.
    pub unused: [i64; 3],
}

/// A time in `struct statx`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct StatxTime {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: u32,
    /// Zero.
    pub reserved: i32,
}

/// `struct statx`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Statx {
    /// Which fields are filled in.
    pub mask: u32,
    /// What to read at once.
    pub block_size: u32,
    /// Attributes that are set.
    pub attributes: u64,
    /// How many names it has.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Type and permissions.
    pub mode: u16,
    /// Zero.
    pub pad: u16,
    /// Its number on its device.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Attributes that are known.
    pub attributes_mask: u64,
    /// Last read.
    pub accessed: StatxTime,
    /// Made.
    pub born: StatxTime,
    /// Last changed in any way.
    pub changed: StatxTime,
    /// Last written.
    pub modified: StatxTime,
    /// The device that it is, if it is one.
    pub special_major: u32,
    /// Likewise.
    pub special_minor: u32,
    /// The device it is on.
    pub device_major: u32,
    /// Likewise.
    pub device_minor: u32,
    /// The mount it was found through.
    pub mount: u64,
    /// Zero.
    pub spare: [u64; 13],
}

/// `struct statfs`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Statfs {
    /// Which file system.
    pub kind: i64,
    /// Bytes in a block.
    pub block_size: i64,
    /// All blocks.
    pub blocks: u64,
    /// Free ones.
    pub blocks_free: u64,
    /// Free ones for everybody.
    pub blocks_available: u64,
    /// All inodes.
    pub files: u64,
    /// Free ones.
    pub files_free: u64,
    /// Identity.
    pub id: [i32; 2],
    /// The longest name.
    pub name_length: i64,
    /// Bytes in a fragment.
    pub fragment_size: i64,
    /// Mount flags.
    pub flags: i64,
    /// Zero.
    pub spare: [i64; 4],
}

/// `struct iovec`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct IoVec {
    /// Where.
    pub base: usize,
    /// How much.
    pub length: usize,
}

/// `struct pollfd`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct PollFd {
    /// The descriptor; negative: passed over.
    pub fd: i32,
    /// What is asked for.
    pub events: i16,
    /// What is there.
    pub returned: i16,
}

/// `struct epoll_event`, which x86-64 packs.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C, packed)]
pub struct EpollEvent {
    /// What is asked for, or there.
    pub events: u32,
    /// The user's own.
    pub data: u64,
}

/// `struct flock`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Flock {
    /// Read, write or unlock.
    pub kind: i16,
    /// What `start` counts from.
    pub whence: i16,
    /// Zero.
    pub pad: i32,
    /// The first byte.
    pub start: i64,
    /// How many; 0: to the end.
    pub length: i64,
    /// Who holds it.
    pub pid: i32,
    /// Zero.
    pub pad_end: i32,
}

/// `struct open_how`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct OpenHow {
    /// As for `open`.
    pub flags: u64,
    /// As for `open`.
    pub mode: u64,
    /// Bounds of the path walk.
    pub resolve: u64,
}

const _: () = {
    assert!(size_of::<Stat>() == 144);
    assert!(size_of::<Statx>() == 256);
    assert!(size_of::<Statfs>() == 120);
    assert!(size_of::<EpollEvent>() == 12);
    assert!(size_of::<Flock>() == 32);
};
