//! The files of `/proc` that are about no process.

mod identity;
mod interrupts;
mod kmsg;
mod load;
mod memory_use;
mod stat;
mod sysrq;
mod sysvipc;
mod timers;

use alloc::sync::Arc;
use core::fmt::Write;

use errno::Result;
use kernfs::{Attribute, Directory, Text};

/// What writes a file.
type Show = fn(&mut Text) -> Result<()>;

const FILES: &[(&str, Show)] = &[
    ("version", identity::version),
    ("cmdline", identity::cmdline),
    ("cpuinfo", identity::cpuinfo),
    ("filesystems", identity::filesystems),
    ("devices", identity::devices),
    ("misc", identity::misc),
    ("cgroups", identity::cgroups),
    ("partitions", identity::partitions),
    ("diskstats", nothing),
    ("slabinfo", memory_use::slabinfo),
    ("swaps", memory_use::swaps),
    ("stat", stat::stat),
    ("schedstat", stat::schedstat),
    ("uptime", load::uptime),
    ("loadavg", load::loadavg),
    ("interrupts", interrupts::interrupts),
    ("softirqs", interrupts::softirqs),
    ("meminfo", memory_use::meminfo),
    ("vmstat", memory_use::vmstat),
    ("buddyinfo", memory_use::buddyinfo),
    ("zoneinfo", memory_use::zoneinfo),
];

/// Adds them.
pub(crate) fn register(files: &Arc<Directory>) -> Result<()> {
    for &(name, show) in FILES {
        files.add_file(name, Attribute::shown(show))?;
    }
    sysvipc::register(files)?;
    sysrq::register(files)?;
    files.add_file("timer_list", Attribute::shown(timers::timer_list).permissions(0o400))?;
    files.add("kmsg", kmsg::inode(files.tree()))?;
    files.add_symlink("mounts", "self/mounts")
}

/// There is no disk whose requests could be counted.
fn nothing(_text: &mut Text) -> Result<()> {
    Ok(())
}

/// Seconds with two decimals, as `uptime` has them.
fn write_seconds(text: &mut Text, nanoseconds: u64) -> Result<()> {
    let hundredths = nanoseconds / 10_000_000;
    write!(text, "{}.{:02}", hundredths / 100, hundredths % 100)?;
    Ok(())
}
