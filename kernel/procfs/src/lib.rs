//! `/proc`: processes and the kernel's state as files, from which unmodified `ps`, `top`, `free`
//! and their kin live.
//!
//! A mounted procfs is an *instance* that shows one PID namespace. Its root holds registered files,
//! which all instances share, and a directory for each process:
//!
//! ```text
//!   /proc/stat …          Attribute: a function writes the text        system/, others by files()
//!   /proc/sys/…           a setting with two functions                 sysctl/, others by register_sysctl()
//!   /proc/PID/stat …      a table of functions about a Subject         pid/
//!   /proc/PID/task/TID/…  the same table, one thread                   pid/
//! ```
//!
//! A `Subject` names a process by its number's object, not by a reference to the
//! task: the directory of a process that is gone stays readable and says ESRCH. Every text is
//! written when a reader starts at the beginning, kept for the rest of that reading, and copied to
//! user memory with no lock held. Idle tasks (PID 0) have no number in any namespace and so are not
//! shown.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod instance;
mod pid;
mod root;
mod sysctl;
mod system;

use alloc::sync::Arc;

use errno::Result;
use kernfs::{Directory, Tree};
use sync::Once;

pub use pid::{ShowTimers, set_timers};
pub use sysctl::{Sysctl, register_sysctl};

/// The inode numbers of registered files start here; below are the root's own, above those of
/// processes.
const FIRST_INODE: u64 = 16;

static FILES: Once<Arc<Directory>> = Once::new();

/// The directory whose entries appear in the root of every instance: where other parts of the
/// kernel add their files. Whoever comes first makes it.
pub fn files() -> &'static Arc<Directory> {
    loop {
        if let Some(files) = FILES.get() {
            return files;
        }
        // If another task is faster, its directory counts.
        let _ = FILES.set(Directory::new(&Tree::new(FIRST_INODE)));
    }
}

/// Fills the registry and makes the file system known to `mount`. Once, when processes and the file
/// system layer are there.
///
/// # Errors
/// EBUSY, EEXIST: called twice. ENOMEM.
pub fn init() -> Result<()> {
    system::register(files())?;
    sysctl::register()?;
    fs::register_filesystem(&instance::PROC)
}
