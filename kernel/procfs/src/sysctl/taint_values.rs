//! `/proc/sys/kernel`: what has gone wrong with the kernel, and how much of it ends it.

use core::ops::RangeInclusive;

use errno::{Errno, Result};
use fs::Capabilities;
use process::Thread;
use taint::{Flag, OOPSES, WARNINGS};

use super::{Sysctl, register_sysctl};

/// What limits may be.
const LIMIT: RangeInclusive<i64> = 0..=u32::MAX as i64;

pub(super) fn register() -> Result<()> {
    let tainted = Sysctl::number(|| taint::mask() as i64, 0..=i64::MAX, add_flags);
    register_sysctl("kernel/tainted", 0o644, tainted)?;
    let on_warning = Sysctl::integer(&kthread::warn::PANIC_ON_WARN, 0..=1);
    register_sysctl("kernel/panic_on_warn", 0o644, on_warning)?;
    for (name, tally) in [("kernel/oops_limit", &OOPSES), ("kernel/warn_limit", &WARNINGS)] {
        register_sysctl(name, 0o644, Sysctl::integer(tally.limit(), LIMIT))?;
    }
    Ok(())
}

/// Adds to the taint. Bits that are no flags change nothing.
fn add_flags(bits: i64) -> Result<()> {
    if !Thread::of(&sched::current()).credentials().capable(Capabilities::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let bits = bits.unsigned_abs();
    if !taint::is_open_to_users(bits) {
        return Err(Errno::EINVAL);
    }
    let wanted = Flag::ALL.into_iter().filter(|flag| bits & flag.bit() != 0);
    wanted.for_each(kthread::oops::add_taint);
    Ok(())
}
