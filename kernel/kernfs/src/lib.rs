//! What file systems without storage are made of: files whose text the kernel writes when they are
//! read, and directories that other parts of the kernel fill.
//!
//! [`procfs`](../procfs/index.html) and [`sysfs`](../sysfs/index.html) are built from it:
//!
//! - [`Text`]: where a file's contents are written to.
//! - [`Snapshot`]: the open file. It writes its text when it is read from the beginning, and goes on
//!   in the same text after that, so a reader sees one moment however small its steps are. Nothing
//!   is locked while bytes go to user memory.
//! - [`Directory`], [`Attribute`], [`Symlink`]: a tree that grows and shrinks by registration.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod attribute;
mod directory;
mod listing;
mod snapshot;
mod symlink;
mod text;
mod tree;

pub use attribute::Attribute;
pub use directory::Directory;
pub use listing::list_with_dots;
pub use snapshot::{Contents, MAX_WRITE, Snapshot};
pub use symlink::Symlink;
pub use text::{Text, parse_bool, parse_integer};
pub use tree::Tree;
