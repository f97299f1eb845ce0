//! Files and descriptors.

use crate::error::{Errno, Result, check};
use crate::sys::{self, number};
use core::ffi::CStr;

/// Read only.
pub const O_RDONLY: usize = 0;
/// Write only.
pub const O_WRONLY: usize = 1;
/// Read and write.
pub const O_RDWR: usize = 2;
/// Made if it is not there, readable and writable for its owner.
pub const O_CREAT: usize = 0o100;
/// Only if it is a directory.
pub const O_DIRECTORY: usize = 0o200_000;

/// Opens a file.
pub fn open(path: &CStr, flags: usize) -> Result<i32> {
    // SAFETY: the kernel only reads the string.
    check(unsafe { sys::call(number::OPEN, [path.as_ptr() as usize, flags, 0o600, 0, 0, 0]) })
        .map(|descriptor| descriptor as i32)
}

/// Closes a descriptor.
pub fn close(descriptor: i32) -> Result<()> {
    // SAFETY: these programs own no object that holds a descriptor.
    check(unsafe { sys::call(number::CLOSE, [descriptor as usize, 0, 0, 0, 0, 0]) }).map(drop)
}

/// Makes `to` a second name of `from`.
pub fn dup2(from: i32, to: i32) -> Result<()> {
    // SAFETY: as for `close`.
    check(unsafe { sys::call(number::DUP2, [from as usize, to as usize, 0, 0, 0, 0]) }).map(drop)
}

/// Reads at most a buffer full; 0 at the end.
pub fn read(descriptor: i32, buffer: &mut [u8]) -> Result<usize> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer.
    check(unsafe { sys::call(number::READ, [descriptor as usize, address, length, 0, 0, 0]) })
}

/// Reads a whole file into the buffer, as far as it fits, and returns what was read.
pub fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let descriptor = open(path, O_RDONLY)?;
    let mut length = 0;
    while length < buffer.len() {
        match read(descriptor, &mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    close(descriptor)?;
    Ok(&buffer[..length])
}

/// Writes some of the bytes and returns how many.
pub fn write(descriptor: i32, bytes: &[u8]) -> Result<usize> {
    let (address, length) = (bytes.as_ptr() as usize, bytes.len());
    // SAFETY: the kernel only reads the bytes.
    check(unsafe { sys::call(number::WRITE, [descriptor as usize, address, length, 0, 0, 0]) })
}

/// Writes all the bytes.
pub fn write_all(descriptor: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(descriptor, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A pipe: the end to read from and the end to write to.
pub fn pipe() -> Result<(i32, i32)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes `ends` only.
    check(unsafe { sys::call(number::PIPE, [ends.as_mut_ptr() as usize, 0, 0, 0, 0, 0]) })?;
    Ok((ends[0], ends[1]))
}

/// Asks what there is to know of a file, and takes only that there is one.
pub fn stat(path: &CStr) -> Result<()> {
    let mut answer = [0u64; 18];
    let arguments = [path.as_ptr() as usize, answer.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel reads the string and writes `answer`, which has the size that it fills.
    check(unsafe { sys::call(number::STAT, arguments) }).map(drop)
}

/// Removes a file's name.
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: the kernel only reads the string.
    check(unsafe { sys::call(number::UNLINK, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) }).map(drop)
}

/// Fills the buffer with entries of a directory, as the kernel lays them out; 0 at the end.
pub fn read_entries(directory: i32, buffer: &mut [u8]) -> Result<usize> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    let arguments = [directory as usize, address, length, 0, 0, 0];
    // SAFETY: the kernel writes within the buffer.
    check(unsafe { sys::call(number::GETDENTS64, arguments) })
}

/// Makes a directory.
pub fn make_directory(path: &CStr, mode: usize) -> Result<()> {
    // SAFETY: the kernel only reads the string.
    check(unsafe { sys::call(number::MKDIR, [path.as_ptr() as usize, mode, 0, 0, 0, 0]) }).map(drop)
}

/// Makes a symbolic link.
pub fn make_link(target: &CStr, path: &CStr) -> Result<()> {
    let (target, path) = (target.as_ptr() as usize, path.as_ptr() as usize);
    // SAFETY: the kernel only reads the strings.
    check(unsafe { sys::call(number::SYMLINK, [target, path, 0, 0, 0, 0]) }).map(drop)
}

/// Changes the working directory.
pub fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: the kernel only reads the string.
    check(unsafe { sys::call(number::CHDIR, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) }).map(drop)
}

/// Mounts a file system that needs no device.
pub fn mount(kind: &CStr, on: &CStr) -> Result<()> {
    let (kind, on) = (kind.as_ptr() as usize, on.as_ptr() as usize);
    // SAFETY: the kernel only reads the strings.
    check(unsafe { sys::call(number::MOUNT, [kind, on, kind, 0, 0, 0]) }).map(drop)
}
