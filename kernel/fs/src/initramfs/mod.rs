//! Unpacking the initial file system into the root.

mod cpio;

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use errno::{Errno, Result};

pub use cpio::{Entry, Problem, Reader};

use crate::caller::{Caller, NewOwner, OpenOptions, Start, TimeChange};
use crate::flags::{LookupFlags, OpenFlags};
use crate::inode::NodeKind;
use crate::path::Path;
use crate::stat::{DeviceNumber, FileType, MODE_BITS};

/// Why an archive was not unpacked, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// The archive is bad, at this offset.
    Archive {
        /// What is wrong.
        problem: Problem,
        /// Where the bad entry starts.
        offset: usize,
    },
    /// An entry could not be made.
    Entry {
        /// Its name.
        name: String,
        /// Why.
        error: Errno,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive { problem, offset } => write!(f, "{problem} (at byte {offset})"),
            Self::Entry { name, error } => write!(f, "{name}: {error}"),
        }
    }
}

/// How much was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries made.
    pub entries: usize,
    /// Bytes of files written.
    pub bytes: usize,
}

/// The first name of a file that has several, by its device and inode numbers in the archive.
type Links<'a> = BTreeMap<((u32, u32), u32), &'a [u8]>;

/// Unpacks an archive below the caller's root directory. What is there already is replaced,
/// directories are kept. May sleep.
///
/// # Errors
/// [`UnpackError`]; what came before the bad entry has been unpacked.
pub fn unpack(archive: &[u8], caller: &Caller<'_>) -> Result<Unpacked, UnpackError> {
    let mut reader = Reader::new(archive);
    let mut links = Links::new();
    let mut unpacked = Unpacked::default();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => {
                make(caller, &entry, &mut links).map_err(|error| UnpackError::Entry {
                    name: String::from_utf8_lossy(entry.name).into_owned(),
                    error,
                })?;
                unpacked.entries += 1;
                unpacked.bytes += entry.data.len();
            }
            Ok(None) => {
                // Of all these names few will be asked for soon.
                caller.fs.root().dentry().uncache_descendants();
                return Ok(unpacked);
            }
            Err(problem) => {
                return Err(UnpackError::Archive { problem, offset: reader.offset() });
            }
        }
    }
}

/// Relative names start at the root.
fn start(caller: &Caller<'_>) -> Start {
    Start::At(caller.fs.root())
}

fn make<'a>(caller: &Caller<'_>, entry: &Entry<'a>, links: &mut Links<'a>) -> Result<()> {
    let start = start(caller);
    let name = entry.name;
    let file_type = FileType::from_mode(entry.mode).ok_or(Errno::EINVAL)?;
    let represents = DeviceNumber::new(entry.represents.0, entry.represents.1);
    match file_type {
        FileType::Directory => return make_directory(caller, &start, entry),
        FileType::Regular => return make_file(caller, &start, entry, links),
        _ => remove_existing(caller, &start, name)?,
    }
    let node = match file_type {
        FileType::Symlink => return caller.make_symlink(entry.data, &start, name),
        FileType::CharDevice => NodeKind::CharDevice(represents),
        FileType::BlockDevice => NodeKind::BlockDevice(represents),
        FileType::Fifo => NodeKind::Fifo,
        _ => NodeKind::Socket,
    };
    caller.make_node(&start, name, node, entry.mode & MODE_BITS)?;
    finish(caller, &caller.lookup(&start, name, LookupFlags::empty())?, entry)
}

fn remove_existing(caller: &Caller<'_>, start: &Start, name: &[u8]) -> Result<()> {
    match caller.unlink(start, name) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn make_directory(caller: &Caller<'_>, start: &Start, entry: &Entry<'_>) -> Result<()> {
    match caller.make_directory(start, entry.name, entry.mode & MODE_BITS) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    finish(caller, &caller.lookup(start, entry.name, LookupFlags::DIRECTORY)?, entry)
}

/// A regular file. Of one with several names the archive may have the contents with any of them,
/// most often the last.
fn make_file<'a>(
    caller: &Caller<'_>,
    start: &Start,
    entry: &Entry<'a>,
    links: &mut Links<'a>,
) -> Result<()> {
    let key = (entry.device, entry.inode);
    if let Some(first) = links.get(&key).filter(|_| entry.links > 1) {
        remove_existing(caller, start, entry.name)?;
        caller.link(start, first, LookupFlags::empty(), start, entry.name)?;
        if entry.data.is_empty() {
            return Ok(());
        }
    } else {
        remove_existing(caller, start, entry.name)?;
        if entry.links > 1 {
            links.insert(key, entry.name);
        }
    }
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
    let file = caller.open(start, entry.name, OpenOptions { flags, mode: 0o600 })?;
    let mut data = entry.data;
    while !data.is_empty() {
        file.write(&mut data)?;
    }
    finish(caller, file.path(), entry)
}

/// Owner, mode and time, in this order: a change of owner takes set-ID bits away.
fn finish(caller: &Caller<'_>, place: &Path, entry: &Entry<'_>) -> Result<()> {
    caller.change_owner(place, NewOwner { uid: Some(entry.uid), gid: Some(entry.gid) })?;
    caller.change_mode(place, entry.mode & MODE_BITS)?;
    let time = TimeChange::To(u64::from(entry.modified) * time::SECOND);
    caller.change_times(place, time, time)
}
