//! System V's objects, and POSIX message queues.

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

/// `struct msqid64_ds`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct MessageQueue {
    /// Whose it is.
    pub permissions: IpcPermissions,
    /// When something was sent last, in seconds.
    pub sent: i64,
    /// When something was received last.
    pub received: i64,
    /// Last changed.
    pub changed: i64,
    /// Bytes of all messages.
    pub bytes: u64,
    /// How many messages.
    pub messages: u64,
    /// The most bytes that there may be.
    pub bytes_max: u64,
    /// Who sent last.
    pub sender: u32,
    /// Who received last.
    pub receiver: u32,
    /// Zero.
    pub unused: [u64; 2],
}

/// `struct msginfo`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct MessageLimits {
    /// Unused, or with `MSG_INFO` how many queues there are.
    pub pool: i32,
    /// Unused, or with `MSG_INFO` how many messages there are.
    pub map: i32,
    /// Bytes of a message.
    pub message: i32,
    /// Bytes of a queue.
    pub queue: i32,
    /// Queues.
    pub queues: i32,
    /// Unused.
    pub segment_size: i32,
    /// Unused, or with `MSG_INFO` how many bytes all messages have.
    pub headers: i32,
    /// Unused.
    pub segments: u16,
    /// Zero.
    pub pad: u16,
}

/// `struct shmid64_ds`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SharedSegment {
    /// Whose it is.
    pub permissions: IpcPermissions,
    /// Its size in bytes.
    pub size: u64,
    /// Last attached, in seconds.
    pub attached_at: i64,
    /// Last detached.
    pub detached_at: i64,
    /// Last changed.
    pub changed: i64,
    /// Who made it.
    pub creator: u32,
    /// Who attached or detached it last.
    pub last: u32,
    /// How often it is attached.
    pub attached: u64,
    /// Zero.
    pub unused: [u64; 2],
}

/// `struct shminfo64`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SharedLimits {
    /// Most bytes of a segment.
    pub size_max: u64,
    /// Least bytes of a segment.
    pub size_min: u64,
    /// Segments.
    pub segments: u64,
    /// Segments of a process; as many as there may be.
    pub of_process: u64,
    /// Pages of all.
    pub pages: u64,
    /// Zero.
    pub unused: [u64; 4],
}

/// `struct shm_info`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SharedUsage {
    /// Segments.
    pub segments: i32,
    /// Zero.
    pub pad: u32,
    /// Pages that they could have.
    pub pages: u64,
    /// Pages that they have.
    pub resident: u64,
    /// Pages in swap.
    pub swapped: u64,
    /// Zero.
    pub swap_attempts: u64,
    /// Zero.
    pub swap_successes: u64,
}

/// `struct mq_attr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct QueueAttributes {
    /// `O_NONBLOCK` or 0.
    pub flags: i64,
    /// The most messages.
    pub messages_max: i64,
    /// The most bytes of one.
    pub size_max: i64,
    /// How many messages there are.
    pub messages: i64,
    /// Zero.
    pub unused: [i64; 4],
}

const _: () = {
    assert!(size_of::<IpcPermissions>() == 48);
    assert!(size_of::<SemaphoreSet>() == 104);
    assert!(size_of::<MessageQueue>() == 120);
    assert!(size_of::<MessageLimits>() == 32);
    assert!(size_of::<SharedSegment>() == 112);
    assert!(size_of::<SharedLimits>() == 72);
    assert!(size_of::<SharedUsage>() == 48);
    assert!(size_of::<QueueAttributes>() == 64);
};
