//! Names for CPUs.

/// The number of a CPU, counted from 0 (the one that booted).
pub type CpuId = usize;

/// The most CPUs that a machine may have. Per-CPU tables have this many rows.
pub const MAX_CPUS: usize = 32;

/// Why a CPU could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// There is no such CPU.
    Absent,
    /// It is running already.
    Running,
    /// It was told to start and gave no sign of life.
    Silent,
}
