//! Sockets.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct msghdr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct MessageHeader {
    /// Where the other's name is, or goes.
    pub name: usize,
    /// Its length, or the room for it.
    pub name_length: u32,
    /// Zero.
    pub pad: u32,
    /// The list of buffers.
    pub segments: usize,
    /// How many there are.
    pub segment_count: usize,
    /// Control messages.
    pub control: usize,
    /// Their bytes, or the room for them.
    pub control_length: usize,
    /// What became of the message.
    pub flags: u32,
    /// Zero.
    pub pad_end: u32,
}

/// `struct mmsghdr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct ManyMessageHeader {
    /// The message.
    pub header: MessageHeader,
    /// How many bytes were moved.
    pub length: u32,
    /// Zero.
    pub pad: u32,
}

/// `struct cmsghdr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct ControlHeader {
    /// Bytes, this header counted.
    pub length: usize,
    /// Whose message it is.
    pub level: i32,
    /// What it is.
    pub kind: i32,
}

/// `struct ucred`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct UserCredentials {
    /// Process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// `struct linger`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Linger {
    /// Whether to.
    pub on: i32,
    /// For so many seconds.
    pub seconds: i32,
}

const _: () = {
    assert!(size_of::<MessageHeader>() == 56);
    assert!(size_of::<ManyMessageHeader>() == 64);
    assert!(size_of::<ControlHeader>() == 16);
};
