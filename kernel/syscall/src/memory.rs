//! Memory.

use errno::{Errno, Result};
use fs::MountFlags;
use machine::PAGE_SIZE;
use machine::user::USER_END;
use process::Resource;
use vm::{Advice, MapFlags, MapRequest, MapSource, Prot, RemapFlags, SyncFlags};

use crate::current;
use crate::user::UserPtr;

/// `mmap`.
pub(crate) fn mmap(
    address: usize,
    length: usize,
    protection: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> Result<usize> {
    ::memory::require_free()?;
    if !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    let flags = MapFlags::from_bits_truncate(flags);
    let source = if flags.contains(MapFlags::ANONYMOUS) {
        MapSource::Anonymous
    } else {
        let file = current::file(fd)?;
        let noexec = file.path().mount().flags().contains(MountFlags::NOEXEC);
        MapSource::File {
            backing: file.backing()?,
            offset,
            may_write: file.flags().writable(),
            may_execute: !noexec,
        }
    };
    let prot = Prot::from_bits_truncate(protection);
    current::mm()?.mmap(&MapRequest { address, length, prot, flags, source })
}

/// `munmap`.
pub(crate) fn munmap(address: usize, length: usize) -> Result<usize> {
    current::mm()?.munmap(address, length)?;
    Ok(0)
}

/// `mprotect`.
pub(crate) fn mprotect(address: usize, length: usize, protection: u32) -> Result<usize> {
    let prot = Prot::from_bits(protection).ok_or(Errno::EINVAL)?;
    current::mm()?.mprotect(address, length, prot)?;
    Ok(0)
}

/// `mremap`.
pub(crate) fn mremap(
    address: usize,
    old_length: usize,
    new_length: usize,
    flags: u32,
    new_address: usize,
) -> Result<usize> {
    let flags = RemapFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    current::mm()?.mremap(address, old_length, new_length, flags, new_address)
}

/// `madvise`.
pub(crate) fn madvise(address: usize, length: usize, advice: u32) -> Result<usize> {
    current::mm()?.madvise(address, length, Advice::from_number(advice)?)?;
    Ok(0)
}

/// `msync`.
pub(crate) fn msync(address: usize, length: usize, flags: u32) -> Result<usize> {
    const MS_ASYNC: u32 = 1;
    const MS_INVALIDATE: u32 = 2;
    const MS_SYNC: u32 = 4;
    if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0
        || flags & MS_ASYNC != 0 && flags & MS_SYNC != 0
    {
        return Err(Errno::EINVAL);
    }
    let flags = SyncFlags { wait: flags & MS_SYNC != 0, invalidate: flags & MS_INVALIDATE != 0 };
    current::mm()?.msync(address, length, flags)?;
    Ok(0)
}

/// `mincore`: a byte for each page.
pub(crate) fn mincore(address: usize, length: usize, result: UserPtr<u8>) -> Result<usize> {
    /// So many pages are asked for at once: the answers are copied out with no lock held.
    const PORTION: usize = 512;
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let end = address.checked_add(length).filter(|&end| end <= USER_END).ok_or(Errno::ENOMEM)?;
    let mm = current::mm()?;
    let pages = (end - address).div_ceil(PAGE_SIZE);
    let mut done = 0;
    while done < pages {
        let count = PORTION.min(pages - done);
        let mut answers = [0u8; PORTION];
        let mut next = 0;
        mm.mincore(address + done * PAGE_SIZE, count * PAGE_SIZE, |here| {
            if let Some(answer) = answers.get_mut(next) {
                *answer = u8::from(here);
            }
            next += 1;
        })?;
        result.at(done)?.write_bytes(&answers[..count])?;
        done += count;
    }
    Ok(0)
}

/// `brk`: where the heap ends now.
pub(crate) fn brk(end: usize) -> Result<usize> {
    Ok(current::mm()?.brk(end))
}

fn may_lock(more: usize) -> Result<()> {
    let limit = current::process().limit(Resource::LockedMemory).soft;
    let privileged = current::credentials().capable(fs::Capabilities::IPC_LOCK);
    if privileged || more as u64 <= limit {
        Ok(())
    } else if limit == 0 {
        Err(Errno::EPERM)
    } else {
        Err(Errno::ENOMEM)
    }
}

fn lock(address: usize, length: usize, locked: bool) -> Result<usize> {
    let start = address & !(PAGE_SIZE - 1);
    let length = length
        .checked_add(address - start)
        .and_then(|length| length.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(Errno::EINVAL)?;
    if locked {
        may_lock(length)?;
    }
    current::mm()?.mlock(start, length, locked)?;
    Ok(0)
}

/// `mlock`.
pub(crate) fn mlock(address: usize, length: usize) -> Result<usize> {
    lock(address, length, true)
}

/// `mlock2`.
pub(crate) fn mlock2(address: usize, length: usize, flags: u32) -> Result<usize> {
    const MLOCK_ONFAULT: u32 = 1;
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    lock(address, length, true)
}

/// `munlock`.
pub(crate) fn munlock(address: usize, length: usize) -> Result<usize> {
    lock(address, length, false)
}

/// `mlockall`.
pub(crate) fn mlockall(flags: u32) -> Result<usize> {
    const MCL_CURRENT: u32 = 1;
    const MCL_FUTURE: u32 = 2;
    const MCL_ONFAULT: u32 = 4;
    if flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0
        || flags & (MCL_CURRENT | MCL_FUTURE) == 0
    {
        return Err(Errno::EINVAL);
    }
    may_lock(1)?;
    if flags & MCL_CURRENT != 0 {
        current::mm()?.mlock_all(true);
    }
    Ok(0)
}

/// `munlockall`.
pub(crate) fn munlockall() -> Result<usize> {
    current::mm()?.mlock_all(false);
    Ok(0)
}
