//! `/sys/devices/system/node`: the machine's memory, by what it is near to.

use alloc::format;
use alloc::sync::Arc;
use core::fmt::Write;

use errno::Result;
use kernfs::{Attribute, Directory, Text};
use machine::NodeId;
use sched::CpuMask;

use crate::cpu::hex;

/// A directory for each node, and lists of those in each state.
pub(crate) fn register(directory: &Arc<Directory>) -> Result<()> {
    let nodes = machine::memory::nodes();
    let list = |wanted: fn(NodeId) -> bool| {
        let mask = (0..nodes).filter(|&node| wanted(node)).fold(CpuMask::NONE, CpuMask::with);
        // Lists of nodes are written as lists of CPUs are.
        Attribute::shown(move |text| Ok(writeln!(text, "{mask}")?))
    };
    for name in ["online", "possible"] {
        directory.add_file(name, list(|_| true))?;
    }
    directory.add_file("has_cpu", list(|node| !cpus_of(node).is_empty()))?;
    for name in ["has_memory", "has_normal_memory"] {
        directory.add_file(name, list(|node| memory::node_statistics(node).total > 0))?;
    }
    for node in 0..nodes {
        register_node(&directory.subdirectory(&format!("node{node}"))?, node)?;
    }
    Ok(())
}

fn cpus_of(node: NodeId) -> CpuMask {
    let all = CpuMask::present().iter();
    all.filter(|&cpu| machine::cpu::node(cpu) == node).fold(CpuMask::NONE, CpuMask::with)
}

/// The CPUs of a node that are online.
fn online_cpus_of(node: NodeId) -> CpuMask {
    cpus_of(node).and(sched::online())
}

fn register_node(directory: &Arc<Directory>, node: NodeId) -> Result<()> {
    let shown =
        |show: fn(NodeId, &mut Text) -> Result<()>| Attribute::shown(move |text| show(node, text));
    directory
        .add_file("cpulist", shown(|node, text| Ok(writeln!(text, "{}", online_cpus_of(node))?)))?;
    directory.add_file(
        "cpumap",
        shown(|node, text| Ok(writeln!(text, "{}", hex(online_cpus_of(node)))?)),
    )?;
    directory.add_file("meminfo", shown(meminfo))?;
    directory.add_file("distance", shown(distance))?;
    for cpu in cpus_of(node).iter() {
        directory.add_symlink(&format!("cpu{cpu}"), &format!("../../cpu/cpu{cpu}"))?;
    }
    Ok(())
}

fn meminfo(node: NodeId, text: &mut Text) -> Result<()> {
    let statistics = memory::node_statistics(node);
    for (name, bytes) in [
        ("MemTotal:", statistics.total),
        ("MemFree:", statistics.free),
        ("MemUsed:", statistics.total - statistics.free),
    ] {
        writeln!(text, "Node {node} {name:<16}{:>8} kB", bytes / 1024)?;
    }
    Ok(())
}

fn distance(node: NodeId, text: &mut Text) -> Result<()> {
    for other in 0..machine::memory::nodes() {
        let separator = if other == 0 { "" } else { " " };
        write!(text, "{separator}{}", machine::memory::node_distance(node, other))?;
    }
    text.push(b"\n")
}
