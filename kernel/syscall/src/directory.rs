//! Directories: reading them, and being in one.

use errno::{Errno, Result};
use fs::{DirectorySink, FileType, LookupFlags, Start};

use crate::current;
use crate::user::UserPtr;

/// How an entry looks to user mode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `linux_dirent`: the type is the record's last byte.
    Old,
    /// `linux_dirent64`: the type comes before the name.
    New,
}

/// The longest record: two numbers, a length, a type, a name with its NUL, and what aligns it.
const RECORD_MAX: usize = (8 + 8 + 2 + 1 + fs::NAME_MAX + 1 + 1).next_multiple_of(8);

/// Puts entries into a user buffer.
struct UserEntries {
    format: Format,
    buffer: UserPtr<u8>,
    size: usize,
    used: usize,
    error: Option<Errno>,
}

impl UserEntries {
    fn put(&mut self, name: &[u8], inode: u64, file_type: FileType, next: u64) -> Result<bool> {
        let mut record = [0; RECORD_MAX];
        let name_at = if self.format == Format::New { 19 } else { 18 };
        // The name's NUL, and in the old format the type behind it.
        let after = if self.format == Format::New { 1 } else { 2 };
        let length = (name_at + name.len() + after).next_multiple_of(8);
        if name.len() > fs::NAME_MAX {
            return Err(Errno::EIO);
        }
        if length > self.size - self.used {
            return Ok(false);
        }
        record[..8].copy_from_slice(&inode.to_ne_bytes());
        record[8..16].copy_from_slice(&next.to_ne_bytes());
        record[16..18].copy_from_slice(&(length as u16).to_ne_bytes());
        record[name_at..name_at + name.len()].copy_from_slice(name);
        let type_at = if self.format == Format::New { 18 } else { length - 1 };
        record[type_at] = file_type.directory_type();
        self.buffer.at(self.used)?.write_bytes(&record[..length])?;
        self.used += length;
        Ok(true)
    }
}

impl DirectorySink for UserEntries {
    fn entry(&mut self, name: &[u8], inode: u64, file_type: FileType, next: u64) -> bool {
        match self.put(name, inode, file_type, next) {
            Ok(taken) => {
                if !taken && self.used == 0 {
                    self.error = Some(Errno::EINVAL);
                }
                taken
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}

/// `getdents64`.
pub(crate) fn getdents64(fd: i32, buffer: UserPtr<u8>, size: u32) -> Result<usize> {
    read(fd, buffer, size, Format::New)
}

/// `getdents`.
pub(crate) fn getdents(fd: i32, buffer: UserPtr<u8>, size: u32) -> Result<usize> {
    read(fd, buffer, size, Format::Old)
}

fn read(fd: i32, buffer: UserPtr<u8>, size: u32, format: Format) -> Result<usize> {
    let file = current::file(fd)?;
    let mut entries = UserEntries { format, buffer, size: size as usize, used: 0, error: None };
    let outcome = file.read_directory(&mut entries);
    if entries.used > 0 {
        return Ok(entries.used);
    }
    outcome?;
    entries.error.map_or(Ok(0), Err)
}

/// `getcwd`: the length with the final NUL.
pub(crate) fn getcwd(buffer: UserPtr<u8>, size: usize) -> Result<usize> {
    let mut path = current::as_caller(|caller| caller.current_directory())?;
    path.push(0);
    if path.len() > size {
        return Err(Errno::ERANGE);
    }
    buffer.write_bytes(&path)?;
    Ok(path.len())
}

/// `chdir`.
pub(crate) fn chdir(path: UserPtr<u8>) -> Result<usize> {
    let path = path.read_path()?;
    current::as_caller(|caller| caller.change_directory(&Start::Cwd, &path, LookupFlags::empty()))?;
    Ok(0)
}

/// `fchdir`.
pub(crate) fn fchdir(fd: i32) -> Result<usize> {
    let start = Start::At(current::place(fd)?);
    current::as_caller(|caller| caller.change_directory(&start, b"", LookupFlags::EMPTY_PATH))?;
    Ok(0)
}

/// `chroot`.
pub(crate) fn chroot(path: UserPtr<u8>) -> Result<usize> {
    let path = path.read_path()?;
    current::as_caller(|caller| caller.change_root(&path))?;
    Ok(0)
}
