//! The system as a whole.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The length of a field of [`Utsname`], its final NUL included.
pub const NAME_LENGTH: usize = 65;

/// `struct utsname`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Utsname {
    /// The kernel's name.
    pub system: [u8; NAME_LENGTH],
    /// The machine's name in the network.
    pub node: [u8; NAME_LENGTH],
    /// The kernel's release.
    pub release: [u8; NAME_LENGTH],
    /// The kernel's version.
    pub version: [u8; NAME_LENGTH],
    /// The architecture.
    pub machine: [u8; NAME_LENGTH],
    /// The machine's domain.
    pub domain: [u8; NAME_LENGTH],
}

/// `struct sysinfo`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Sysinfo {
    /// Seconds since boot.
    pub uptime: i64,
    /// Load averages in 1/65536.
    pub loads: [u64; 3],
    /// Memory, in units of `unit`.
    pub total_ram: u64,
    /// Free.
    pub free_ram: u64,
    /// Shared.
    pub shared_ram: u64,
    /// In buffers.
    pub buffer_ram: u64,
    /// Swap.
    pub total_swap: u64,
    /// Free swap.
    pub free_swap: u64,
    /// Tasks.
    pub processes: u16,
    /// Zero.
    pub pad: [u16; 3],
    /// Memory of no meaning here.
    pub total_high: u64,
    /// Likewise.
    pub free_high: u64,
    /// Bytes in a unit.
    pub unit: u32,
    /// Zero.
    pub pad_end: u32,
}

const _: () = {
    assert!(size_of::<Utsname>() == 390);
    assert!(size_of::<Sysinfo>() == 112);
};
