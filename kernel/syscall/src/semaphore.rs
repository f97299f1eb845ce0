//! System V's semaphores: `semget`, `semop`, `semtimedop`, `semctl`.

use alloc::vec::Vec;

use errno::{Errno, Result};
use ipc::semaphore::{self, COUNT_MAX, OPERATIONS_MAX, Operation, SETS_MAX, Set, VALUE_MAX};
use zerocopy::IntoBytes;

use crate::abi::ipc::{SemaphoreLimits, SemaphoreOperation, SemaphoreSet};
use crate::abi::time::Timespec;
use crate::current;
use crate::sysv::{self, IPC_64, IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, READ};
use crate::user::UserPtr;

const SEM_UNDO: u16 = 0x1000;

/// Commands of `semctl` beyond those of all objects.
const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;

/// What one wants with a set to change it.
const ALTER: u32 = 2;

fn pid() -> u32 {
    current::process().pid().number()
}

/// `semget`.
pub(crate) fn semget(key: i32, count: i32, flags: u32) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    let set = semaphore::get(key, count, sysv::create(flags), &current::credentials())?;
    Ok(set.number() as usize)
}

/// `semop`.
pub(crate) fn semop(
    set: i32,
    operations: UserPtr<SemaphoreOperation>,
    count: usize,
) -> Result<usize> {
    semtimedop(set, operations, count, UserPtr::new(0))
}

/// `semtimedop`.
pub(crate) fn semtimedop(
    set: i32,
    operations: UserPtr<SemaphoreOperation>,
    count: usize,
    timeout: UserPtr<Timespec>,
) -> Result<usize> {
    if count == 0 || set < 0 {
        return Err(Errno::EINVAL);
    }
    if count > OPERATIONS_MAX {
        return Err(Errno::E2BIG);
    }
    let operations: Vec<_> = operations.read_many(count)?.iter().map(decode).collect();
    let deadline = match timeout.non_null() {
        None => None,
        Some(timeout) => Some(time::monotonic().saturating_add(timeout.read()?.to_nanoseconds()?)),
    };
    let set = semaphore::find(set)?;
    let alters = operations.iter().any(|operation| operation.change != 0);
    let wanted = if alters { ALTER } else { READ };
    set.status().permissions.check(&current::credentials(), wanted)?;
    semaphore::operate(&set, &operations, pid(), deadline)?;
    Ok(0)
}

fn decode(operation: &SemaphoreOperation) -> Operation {
    Operation {
        index: operation.index.into(),
        change: operation.change.into(),
        no_wait: u32::from(operation.flags) & IPC_NOWAIT != 0,
        undo: operation.flags & SEM_UNDO != 0,
    }
}

/// `semctl`.
pub(crate) fn semctl(number: i32, index: i32, command: i32, argument: usize) -> Result<usize> {
    let me = current::credentials();
    match command & !IPC_64 {
        IPC_INFO | SEM_INFO => return show_limits(command & !IPC_64 == SEM_INFO, argument),
        SEM_STAT | SEM_STAT_ANY => {
            let set = semaphore::at(number)?;
            if command & !IPC_64 == SEM_STAT {
                set.status().permissions.check(&me, READ)?;
            }
            show(&set, argument)?;
            return Ok(set.number() as usize);
        }
        IPC_RMID => {
            semaphore::remove(number, &me)?;
            return Ok(0);
        }
        _ => {}
    }
    let set = semaphore::find(number)?;
    let may = |wanted| set.status().permissions.check(&me, wanted);
    match command & !IPC_64 {
        IPC_STAT => {
            may(READ)?;
            show(&set, argument)?;
        }
        IPC_SET => {
            let given = UserPtr::<SemaphoreSet>::new(argument).read()?.permissions;
            set.set_owner(&sysv::new_owner(&given)?, &me)?;
        }
        GETALL => {
            may(READ)?;
            UserPtr::<u8>::new(argument).write_bytes(set.values().as_bytes())?;
        }
        SETALL => {
            may(ALTER)?;
            let mut values = set.values();
            UserPtr::<u8>::new(argument).read_bytes(values.as_mut_bytes())?;
            set.set_values(&values, pid())?;
        }
        SETVAL => {
            may(ALTER)?;
            let index = usize::try_from(index).map_err(|_| Errno::EINVAL)?;
            set.set_value(index, argument as i32, pid())?;
        }
        GETVAL | GETPID | GETNCNT | GETZCNT => {
            may(READ)?;
            let (value, pid, more, zero) =
                set.look(usize::try_from(index).map_err(|_| Errno::EINVAL)?)?;
            return Ok(match command & !IPC_64 {
                GETVAL => value.into(),
                GETPID => pid as usize,
                GETNCNT => more as usize,
                _ => zero as usize,
            });
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn show(set: &Set, argument: usize) -> Result<()> {
    let status = set.status();
    UserPtr::new(argument).write(&SemaphoreSet {
        permissions: sysv::shown(set.number(), set.key(), &status.permissions),
        operated: sysv::seconds(status.operated),
        changed: sysv::seconds(status.changed),
        count: status.count as u64,
        ..Default::default()
    })
}

/// The limits, or with those how much is in use; returns the highest index that `SEM_STAT` takes.
fn show_limits(with_usage: bool, argument: usize) -> Result<usize> {
    let (sets, semaphores) = semaphore::usage();
    let value = i32::from(VALUE_MAX);
    UserPtr::new(argument).write(&SemaphoreLimits {
        map: (SETS_MAX * COUNT_MAX) as i32,
        sets: SETS_MAX as i32,
        semaphores: (SETS_MAX * COUNT_MAX) as i32,
        undo_structures: (SETS_MAX * COUNT_MAX) as i32,
        in_set: COUNT_MAX as i32,
        operations: OPERATIONS_MAX as i32,
        undo_entries: OPERATIONS_MAX as i32,
        undo_size: if with_usage { sets as i32 } else { 20 },
        value,
        undo_value: if with_usage { semaphores as i32 } else { value },
    })?;
    Ok(semaphore::highest_place())
}
