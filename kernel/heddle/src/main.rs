//! The bootable image: everything put together.
//!
//! The machine calls `kernel::start_kernel` on the boot CPU; from there the way goes through crate `start` to PID 1, which is
//! `init::kernel_init`.
#![cfg_attr(target_os = "none", no_std, no_main)]
// One symbol is given to the machine under its own name; see `kernel::start_kernel`.
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(all(target_os = "none", feature = "scenarios"))]
mod crash;
#[cfg(target_os = "none")]
mod init;
#[cfg(target_os = "none")]
mod kernel;
#[cfg(target_os = "none")]
mod parameters;
#[cfg(target_os = "none")]
mod root;
#[cfg(target_os = "none")]
mod vdso;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the kernel: `cargo xtask run` builds it for the bare machine and boots it");
    std::process::exit(2);
}
