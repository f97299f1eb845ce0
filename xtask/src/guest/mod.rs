//! The user land that the kernel boots into: an initial file system ([`initramfs`]) in cpio's newc format
//! ([`cpio`]), made of busybox ([`busybox`]), our own `/init`, Debian packages ([`debian`]), programs of the host
//! ([`binary`]) and directories laid over it, with a note of what to run ([`order`]).

pub mod binary;
pub mod busybox;
pub mod cpio;
pub mod debian;
pub mod initramfs;
pub mod order;
pub mod tree;
