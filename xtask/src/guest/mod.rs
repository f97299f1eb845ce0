//! The user land that the kernel boots into: an initial file system ([`initramfs`]) in cpio's newc format
//! ([`cpio`]), made of busybox ([`busybox`]), our own `/init`, Debian packages ([`debian`]), programs of the host
//! ([`binary`]) and directories laid over it, with a note of what to run ([`order`]).

pub(crate) mod binary;
pub(crate) mod busybox;
pub(crate) mod cpio;
pub(crate) mod debian;
pub(crate) mod initramfs;
pub(crate) mod order;
pub(crate) mod tree;
