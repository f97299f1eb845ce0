//! Handing over.

use contract::{FrameRange, Upcalls};

use crate::machine::here;

/// Takes the kernel's entry points; once, on the boot CPU, before interrupts go on.
///
/// # Panics
/// If it is called twice with different entry points.
pub fn install(upcalls: &'static Upcalls) {
    let installed = here().hooks.upcalls.get_or_init(|| upcalls);
    assert!(core::ptr::eq(*installed, upcalls), "the kernel's entry points are installed already");
}

/// [`Config::command_line`](crate::sim::Config::command_line).
#[must_use]
pub fn command_line() -> &'static str {
    here().command_line
}

/// [`Config::initial_ramdisk`](crate::sim::Config::initial_ramdisk).
#[must_use]
pub fn initial_ramdisk() -> &'static [u8] {
    here().initial_ramdisk
}

/// `None`: the image lies in the host's memory and not in frames.
#[must_use]
pub fn release_initial_ramdisk() -> Option<FrameRange> {
    None
}
