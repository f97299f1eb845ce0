//! Signals.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct sigaction` as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SigAction {
    /// The handler's address, or default (0) or ignore (1).
    pub handler: usize,
    /// `SA_*`.
    pub flags: u64,
    /// What the handler returns to.
    pub restorer: usize,
    /// What is blocked while it runs.
    pub mask: u64,
}

/// `stack_t`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SigStack {
    /// Its lowest address.
    pub base: usize,
    /// `SS_*`.
    pub flags: u32,
    /// Zero.
    pub pad: u32,
    /// Its size.
    pub size: usize,
}

/// `siginfo_t`: the fields that all kinds share, and the rest as bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SigInfo {
    /// The signal.
    pub signal: i32,
    /// Zero.
    pub errno: i32,
    /// What sent it.
    pub code: i32,
    /// Zero.
    pub pad: u32,
    /// What depends on the kind.
    pub rest: [u8; 112],
}

/// The pair that the last argument of `pselect6` points to.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct MaskArgument {
    /// Where the mask is.
    pub address: usize,
    /// Its size.
    pub size: usize,
}

/// `struct sigevent`, as far as the kernel reads it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SigEvent {
    /// What the signal carries.
    pub value: u64,
    /// Its number.
    pub signal: i32,
    /// `SIGEV_*`.
    pub notify: i32,
    /// The thread, for `SIGEV_THREAD_ID`.
    pub tid: i32,
    /// Not read.
    pub rest: [u8; 44],
}

/// By a signal.
pub const SIGEV_SIGNAL: i32 = 0;
/// Not at all.
pub const SIGEV_NONE: i32 = 1;
/// By a thread of the C library's, which is told by a socket.
pub const SIGEV_THREAD: i32 = 2;
/// By a signal to a thread.
pub const SIGEV_THREAD_ID: i32 = 4;

const _: () = {
    assert!(size_of::<SigInfo>() == 128);
    assert!(size_of::<SigEvent>() == 64);
};
