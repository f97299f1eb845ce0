//! The virtual file system, run by tasks of a kernel on the simulated machine.

mod files;
mod harness;
mod locks;
mod mounts;
mod names;
mod pipes;
mod unpack;
mod waiting;
