//! `/sys/devices/system/cpu`.

use alloc::format;
use alloc::sync::Arc;
use core::fmt::Write;

use errno::Result;
use kernfs::{Attribute, Directory, Text, parse_bool};
use machine::{CpuId, MAX_CPUS};
use sched::CpuMask;

use crate::mask::BitMask;

/// A directory for each CPU, and lists of those in each state.
pub(crate) fn register(directory: &Arc<Directory>) -> Result<()> {
    for (name, list) in [
        ("online", sched::online as fn() -> CpuMask),
        ("possible", CpuMask::present),
        ("present", CpuMask::present),
        ("offline", || CpuMask::present().minus(sched::online())),
        ("isolated", || CpuMask::present().minus(sched::housekeeping())),
    ] {
        directory
            .add_file(name, Attribute::shown(move |text| Ok(writeln!(text, "{}", list())?)))?;
    }
    directory.add_file("kernel_max", value(MAX_CPUS - 1))?;
    for cpu in CpuMask::present().iter() {
        register_cpu(&directory.subdirectory(&format!("cpu{cpu}"))?, cpu)?;
    }
    Ok(())
}

fn register_cpu(directory: &Arc<Directory>, cpu: CpuId) -> Result<()> {
    if cpu != 0 {
        // The CPU that booted stays.
        let online = Attribute::shown(move |text| show_online(cpu, text))
            .store(move |bytes| set_online(cpu, bytes))
            .permissions(0o644);
        directory.add_file("online", online)?;
    }
    let node = machine::cpu::node(cpu);
    directory.add_symlink(&format!("node{node}"), &format!("../../node/node{node}"))?;
    register_topology(&directory.subdirectory("topology")?, cpu)
}

fn show_online(cpu: CpuId, text: &mut Text) -> Result<()> {
    Ok(writeln!(text, "{}", u8::from(sched::online().contains(cpu)))?)
}

/// Takes a CPU out of service or back into it. Returns when that is done.
fn set_online(cpu: CpuId, bytes: &[u8]) -> Result<()> {
    match (parse_bool(bytes)?, sched::online().contains(cpu)) {
        (true, false) => hotplug::up(cpu),
        (false, true) => hotplug::down(cpu),
        _ => Ok(()),
    }
}

/// Every CPU is a core of its own, and all of a node's are one package.
fn register_topology(directory: &Arc<Directory>, cpu: CpuId) -> Result<()> {
    let package = machine::cpu::node(cpu);
    directory.add_file("core_id", value(cpu))?;
    directory.add_file("physical_package_id", value(package))?;
    directory.add_file("die_id", value(0))?;
    let own = CpuMask::of(cpu);
    let neighbours = CpuMask::present()
        .iter()
        .filter(|&other| machine::cpu::node(other) == package)
        .fold(CpuMask::NONE, CpuMask::with);
    for (name, mask) in [
        ("thread_siblings", own),
        ("core_cpus", own),
        ("core_siblings", neighbours),
        ("package_cpus", neighbours),
    ] {
        directory
            .add_file(name, Attribute::shown(move |text| Ok(writeln!(text, "{}", hex(mask))?)))?;
        let list = Attribute::shown(move |text| Ok(writeln!(text, "{mask}")?));
        directory.add_file(&format!("{name}_list"), list)?;
    }
    Ok(())
}

/// A set of CPUs as a mask.
pub(crate) fn hex(mask: CpuMask) -> BitMask {
    BitMask { bits: mask.bits(), width: machine::cpu::count() }
}

fn value(value: usize) -> Attribute {
    Attribute::shown(move |text| Ok(writeln!(text, "{value}")?))
}
