//! Processes and the scheduler.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::time::Timeval;

/// `struct rusage`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Rusage {
    /// Time in user mode.
    pub user: Timeval,
    /// Time in the kernel.
    pub system: Timeval,
    /// The most memory, in KiB.
    pub max_resident: i64,
    /// Zero: what Linux does not keep either.
    pub unused_memory: [i64; 3],
    /// Page faults without and with input.
    pub faults: [i64; 2],
    /// Zero.
    pub swaps: i64,
    /// Blocks read and written.
    pub blocks: [i64; 2],
    /// Zero.
    pub unused_messages: [i64; 3],
    /// Switches by its own wish, and others.
    pub switches: [i64; 2],
}

/// `struct rlimit64`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Rlimit {
    /// What is enforced.
    pub current: u64,
    /// What it may be raised to.
    pub maximum: u64,
}

/// `struct clone_args`, the longest form that is known here.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct CloneArgs {
    /// Flags, without the exit signal.
    pub flags: u64,
    /// Where the pidfd goes.
    pub pidfd: u64,
    /// Where the child's TID goes in the child.
    pub child_tid: u64,
    /// Where it goes in the parent.
    pub parent_tid: u64,
    /// The signal at the child's end.
    pub exit_signal: u64,
    /// The lowest address of the child's stack.
    pub stack: u64,
    /// Its size.
    pub stack_size: u64,
    /// The child's thread pointer.
    pub tls: u64,
    /// The PIDs wanted.
    pub set_tid: u64,
    /// How many.
    pub set_tid_size: u64,
    /// The cgroup's descriptor.
    pub cgroup: u64,
}

/// `struct sched_attr`, its second version.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SchedAttr {
    /// Its size.
    pub size: u32,
    /// The policy.
    pub policy: u32,
    /// Flags.
    pub flags: u64,
    /// For the fair class.
    pub nice: i32,
    /// For the real-time class.
    pub priority: u32,
    /// For the deadline class.
    pub runtime: u64,
    /// Likewise.
    pub deadline: u64,
    /// Likewise.
    pub period: u64,
    /// The least and the most of a CPU that is made ready for the task: not there, and 0.
    pub util_min: u32,
    /// Likewise.
    pub util_max: u32,
}

impl SchedAttr {
    /// The size of the first version, which ends before `util_min`.
    pub const SIZE_0: usize = 48;
}

/// `struct __user_cap_header_struct`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct CapHeader {
    /// The version.
    pub version: u32,
    /// Whose.
    pub pid: i32,
}

/// `struct __user_cap_data_struct`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct CapData {
    /// In force.
    pub effective: u32,
    /// May be put in force.
    pub permitted: u32,
    /// Kept across `execve`.
    pub inheritable: u32,
}

const _: () = {
    assert!(size_of::<Rusage>() == 144);
    assert!(size_of::<CloneArgs>() == 88);
    assert!(size_of::<SchedAttr>() == 56);
};
