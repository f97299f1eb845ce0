//! What `uname` says.

/// The system whose interface this is.
pub const SYSNAME: &str = "Linux";
/// The version of that interface, and whose work it is.
pub const RELEASE: &str = "6.1.0-heddle";
/// The build, as in `/proc/version`.
pub const VERSION: &str = concat!("#1 SMP PREEMPT Heddle ", env!("CARGO_PKG_VERSION"));
/// The machine's architecture.
pub const MACHINE: &str = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
