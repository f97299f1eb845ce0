//! Changing stacks, the one thing here that needs assembly.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{frame_pointer, new_stack, redirect, saved_frame_pointer, switch_stacks};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{frame_pointer, new_stack, redirect, saved_frame_pointer, switch_stacks};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "the simulated machine changes stacks by hand and knows x86-64 and arm64 hosts only"
);
