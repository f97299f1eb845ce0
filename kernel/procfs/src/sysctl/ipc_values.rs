//! The limits of System V's objects in `/proc/sys/kernel`, and of POSIX message queues in `/proc/sys/fs/mqueue`.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};
use ipc::registry::PLACES;
use ipc::{message, posix, semaphore, shared_memory};

use super::{Sysctl, register_sysctl, words};

const INT_MAX: i64 = i32::MAX as i64;

pub(super) fn register() -> Result<()> {
    let integer =
        |path, value, bounds| register_sysctl(path, 0o644, Sysctl::integer(value, bounds));
    let places = PLACES as i64;
    integer("kernel/msgmax", &message::MESSAGE_MAX, 0..=INT_MAX)?;
    integer("kernel/msgmnb", &message::BYTES_MAX, 0..=INT_MAX)?;
    integer("kernel/msgmni", &message::QUEUES_MAX, 0..=places)?;
    integer("kernel/shmmni", &shared_memory::SEGMENTS_MAX, 0..=places)?;
    register_sysctl("kernel/shmmax", 0o644, unsigned(&shared_memory::BYTES_MAX))?;
    register_sysctl("kernel/shmall", 0o644, unsigned(&shared_memory::PAGES_MAX))?;
    let semaphores = Sysctl::shown(|text| {
        let (sets, of_set) = (semaphore::SETS_MAX, semaphore::COUNT_MAX);
        let (all, operations) = (sets * of_set, semaphore::OPERATIONS_MAX);
        Ok(writeln!(text, "{of_set}\t{all}\t{operations}\t{sets}")?)
    });
    register_sysctl("kernel/sem", 0o444, semaphores)?;
    integer("fs/mqueue/queues_max", &posix::QUEUES_MAX, 0..=INT_MAX)?;
    let messages = 1..=posix::MESSAGES_LIMIT;
    integer("fs/mqueue/msg_max", &posix::MESSAGES_MAX, messages.clone())?;
    integer("fs/mqueue/msg_default", &posix::MESSAGES_DEFAULT, messages)?;
    let sizes = posix::SIZE_MIN..=posix::SIZE_LIMIT;
    integer("fs/mqueue/msgsize_max", &posix::SIZE_MAX, sizes.clone())?;
    integer("fs/mqueue/msgsize_default", &posix::SIZE_DEFAULT, sizes)
}

/// A number that may be larger than others.
fn unsigned(value: &'static AtomicU64) -> Sysctl {
    Sysctl::new(
        move |text| Ok(writeln!(text, "{}", value.load(Ordering::Relaxed))?),
        move |bytes| {
            let word = words(bytes).next().ok_or(Errno::EINVAL)?;
            let number = core::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            value.store(number.ok_or(Errno::EINVAL)?, Ordering::Relaxed);
            Ok(())
        },
    )
}
