//! System V's objects.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct sembuf`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SemaphoreOperation {
    /// Which semaphore.
    pub index: u16,
    /// What to add.
    pub change: i16,
    /// How.
    pub flags: u16,
}

/// `struct ipc64_perm`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct IpcPermissions {
    /// What it is found by.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Maker.
    pub creator_uid: u32,
    /// The maker's group.
    pub creator_gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// How often its place was used.
    pub sequence: u16,
    /// Zero.
    pub pad: [u16; 3],
    /// Zero.
    pub unused: [u64; 2],
}

/// `struct semid64_ds`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SemaphoreSet {
    /// Whose it is.
    pub permissions: IpcPermissions,
    /// Last operated on, in seconds.
    pub operated: i64,
    /// Zero.
    pub unused_operated: u64,
    /// Last changed, in seconds.
    pub changed: i64,
    /// Zero.
    pub unused_changed: u64,
    /// How many semaphores.
    pub count: u64,
    /// Zero.
    pub unused: [u64; 2],
}

/// `struct seminfo`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SemaphoreLimits {
    /// Unused.
    pub map: i32,
    /// Sets.
    pub sets: i32,
    /// Semaphores.
    pub semaphores: i32,
    /// Unused.
    pub undo_structures: i32,
    /// Semaphores in a set.
    pub in_set: i32,
    /// Operations of one call.
    pub operations: i32,
    /// Unused.
    pub undo_entries: i32,
    /// Unused, or with `SEM_INFO` how many sets there are.
    pub undo_size: i32,
    /// The highest value.
    pub value: i32,
    /// What is undone at most, or with `SEM_INFO` how many semaphores there are.
    pub undo_value: i32,
}

const _: () = {
    assert!(size_of::<IpcPermissions>() == 48);
    assert!(size_of::<SemaphoreSet>() == 104);
};
