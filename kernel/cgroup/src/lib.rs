//! Control groups: the tree of groups of processes (cgroup v2), without controllers.
//!
//! ```text
//!   Cgroup::make ──> Online ──remove: nobody in it, none below──> Dying ──last reference──> gone
//! ```
//!
//! This crate knows groups and how many processes are in each; crate `process` knows which, and
//! crate `cgroupfs` shows both as files.
//!
//! | file | idea |
//! |---|---|
//! | `group` | a group, its life and its place in the tree |
//! | `state` | what of all groups is under one lock |
//! | `owner` | whose a group's files are, and who may move processes |
//!
//! Lock order: the process table, then `cgroup.hierarchy`, then wait queues. `cgroup.owners` is a
//! leaf. See `docs/cgroups.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod group;
mod owner;
mod state;

pub use group::{Cgroup, live_groups, root};
pub use owner::{Part, check_attach};
pub use state::{Limit, Statistics};
