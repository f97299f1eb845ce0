//! System V's shared memory: `shmget`, `shmat`, `shmdt`, `shmctl`.

use core::sync::atomic::Ordering;

use errno::{Errno, Result};
use ipc::shared_memory::{self, Attachment, BYTES_MAX, PAGES_MAX, SEGMENTS_MAX, Segment};
use machine::PAGE_SIZE;
use process::Resource;
use vm::{MapFlags, MapRequest, MapSource, Prot};

use crate::abi::ipc::{SharedLimits, SharedSegment, SharedUsage};
use crate::current;
use crate::sysv::{self, IPC_64, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, READ};
use crate::user::UserPtr;

const SHM_HUGETLB: u32 = 0o4000;
const SHM_NORESERVE: u32 = 0o10000;

const SHM_RDONLY: u32 = 0o10000;
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100000;

const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;

const WRITE: u32 = 2;
const EXECUTE: u32 = 1;

/// `shmget`.
pub(crate) fn shmget(key: i32, size: usize, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    // There are no huge pages.
    if flags & SHM_HUGETLB != 0 {
        return Err(Errno::EINVAL);
    }
    let (me, process) = (current::credentials(), current::process());
    let reserve = flags & SHM_NORESERVE == 0;
    let create = sysv::create(flags);
    let segment = shared_memory::get(key, size, create, reserve, &me, process.pid())?;
    Ok(segment.number() as usize)
}

/// `shmat`: where it is now.
pub(crate) fn shmat(segment: i32, address: usize, flags: u32) -> Result<usize> {
    ::memory::require_free()?;
    let rounds = flags & SHM_RND != 0;
    let at = if rounds { address & !(PAGE_SIZE - 1) } else { address };
    let replaces = flags & SHM_REMAP != 0;
    if !at.is_multiple_of(PAGE_SIZE) || at == 0 && replaces {
        return Err(Errno::EINVAL);
    }
    let place = match (address, replaces) {
        (0, _) => MapFlags::empty(),
        (_, true) => MapFlags::FIXED,
        (_, false) => MapFlags::FIXED_NOREPLACE,
    };
    let writes = flags & SHM_RDONLY == 0;
    let executes = flags & SHM_EXEC != 0;
    let mut prot = Prot::READ;
    prot.set(Prot::WRITE, writes);
    prot.set(Prot::EXEC, executes);
    let wanted = READ | if writes { WRITE } else { 0 } | if executes { EXECUTE } else { 0 };
    let (me, process) = (current::credentials(), current::process());
    let segment = shared_memory::find(segment)?;
    let length = segment.size();
    let backing = Attachment::new(segment, wanted, &me, process.pid())?;
    let source = MapSource::File { backing, offset: 0, may_write: writes, may_execute: true };
    let flags = MapFlags::SHARED | place;
    let outcome = current::mm()?.mmap(&MapRequest { address: at, length, prot, flags, source });
    // Something is there.
    outcome.map_err(|error| if error == Errno::EEXIST { Errno::EINVAL } else { error })
}

/// `shmdt`.
pub(crate) fn shmdt(address: usize) -> Result<usize> {
    let length_of = |backing: &dyn vm::Backing| {
        Attachment::of(backing).map(|attachment| attachment.segment().size())
    };
    current::mm()?.detach(address, length_of)?;
    Ok(0)
}

/// `shmctl`.
pub(crate) fn shmctl(number: i32, command: i32, argument: usize) -> Result<usize> {
    let command = command & !IPC_64;
    let me = current::credentials();
    match command {
        _ if number < 0 => Err(Errno::EINVAL),
        IPC_INFO => show_limits(argument),
        SHM_INFO => show_usage(argument),
        SHM_STAT | SHM_STAT_ANY | IPC_STAT => {
            let by_place = command != IPC_STAT;
            let found = if by_place { shared_memory::at } else { shared_memory::find };
            let segment = found(number)?;
            if command != SHM_STAT_ANY {
                segment.status().permissions.check(&me, READ)?;
            }
            show(&segment, argument)?;
            Ok(if by_place { segment.number() as usize } else { 0 })
        }
        IPC_SET => {
            let given = UserPtr::<SharedSegment>::new(argument).read()?.permissions;
            shared_memory::find(number)?.set_owner(&sysv::new_owner(&given)?, &me)?;
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => {
            let limit = current::process().limit(Resource::LockedMemory).soft;
            shared_memory::find(number)?.set_locked(command == SHM_LOCK, limit, &me)?;
            Ok(0)
        }
        IPC_RMID => shared_memory::remove(number, &me).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

fn show(segment: &Segment, argument: usize) -> Result<()> {
    let status = segment.status();
    let mut permissions = sysv::shown(segment.number(), segment.key(), &status.permissions);
    permissions.mode = status.mode();
    UserPtr::new(argument).write(&SharedSegment {
        permissions,
        size: segment.size() as u64,
        attached_at: sysv::seconds(status.attached_at),
        detached_at: sysv::seconds(status.detached_at),
        changed: sysv::seconds(status.changed),
        creator: sysv::number_of(Some(&status.creator)),
        last: sysv::number_of(status.last.as_ref()),
        attached: status.attached,
        ..Default::default()
    })
}

/// Returns the highest index that `SHM_STAT` takes.
fn show_limits(argument: usize) -> Result<usize> {
    let segments = u64::try_from(SEGMENTS_MAX.load(Ordering::Relaxed)).unwrap_or(0);
    UserPtr::new(argument).write(&SharedLimits {
        size_max: BYTES_MAX.load(Ordering::Relaxed),
        size_min: 1,
        segments,
        of_process: segments,
        pages: PAGES_MAX.load(Ordering::Relaxed),
        ..Default::default()
    })?;
    Ok(shared_memory::highest_place())
}

fn show_usage(argument: usize) -> Result<usize> {
    let usage = shared_memory::usage();
    UserPtr::new(argument).write(&SharedUsage {
        segments: usage.segments as i32,
        pages: usage.pages,
        resident: usage.resident,
        ..Default::default()
    })?;
    Ok(shared_memory::highest_place())
}
