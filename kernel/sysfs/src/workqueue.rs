//! `/sys/devices/virtual/workqueue`: where unbound work runs, and a directory for each queue that is to be shown.

use alloc::format;
use alloc::sync::Arc;
use core::fmt::Write;

use ::workqueue::attributes::{self, Observer, Shown};
use ::workqueue::watchdog;
use errno::{Errno, Result};
use kernfs::{Attribute, Directory, Text, parse_bool, parse_integer};

use crate::cpu::hex;
use crate::mask::parse_mask;

const WRITABLE: u32 = 0o644;

fn directory() -> Result<Arc<Directory>> {
    crate::root().subdirectory("devices/virtual/workqueue")
}

/// What queues are, as devices: a bus of their own.
fn bus() -> Result<Arc<Directory>> {
    crate::root().subdirectory("bus/workqueue")
}

fn devices() -> Result<Arc<Directory>> {
    crate::root().subdirectory("bus/workqueue/devices")
}

/// Nothing is known of a queue as a device, and nobody is told of it.
fn uevent() -> Attribute {
    Attribute::shown(|_| Ok(())).store(|_| Ok(())).permissions(WRITABLE)
}

pub(crate) fn register() -> Result<()> {
    let cpumask = Attribute::shown(show_cpus)
        .store(|bytes| attributes::set_unbound_cpus(parse_mask(bytes)?))
        .permissions(WRITABLE);
    let all = directory()?;
    all.add_file("cpumask", cpumask)?;
    all.add_file("uevent", uevent())?;
    bus()?.add_file("uevent", Attribute::shown(|_| Ok(())).permissions(0o200))?;
    devices()?;
    parameters()?;
    attributes::set_observer(Observer { added: add, removed: remove })
}

/// What the command line can say of all queues, too.
fn parameters() -> Result<()> {
    let all = crate::root().subdirectory("module/workqueue/parameters")?;
    let round = shown_switch(::workqueue::goes_round)
        .store(|bytes| {
            ::workqueue::set_goes_round(parse_bool(bytes)?);
            Ok(())
        })
        .permissions(WRITABLE);
    all.add_file("debug_force_rr_cpu", round)?;
    all.add_file("disable_numa", shown_switch(::workqueue::ignores_nodes))?;
    all.add_file("power_efficient", shown_switch(::workqueue::saves_power))?;
    let threshold = Attribute::shown(|text| Ok(writeln!(text, "{}", watchdog::threshold())?))
        .store(|bytes| {
            let seconds = u64::try_from(parse_integer(bytes)?).map_err(|_| Errno::EINVAL)?;
            watchdog::set_threshold(seconds);
            Ok(())
        })
        .permissions(WRITABLE);
    all.add_file("watchdog_thresh", threshold)
}

/// A parameter that is on or off, as modules show theirs.
fn shown_switch(is_on: fn() -> bool) -> Attribute {
    Attribute::shown(move |text| text.push(if is_on() { b"Y\n" } else { b"N\n" }))
}

fn show_cpus(text: &mut Text) -> Result<()> {
    Ok(writeln!(text, "{}", hex(attributes::unbound_cpus()))?)
}

/// A queue has come. One that cannot be shown whole is not shown at all.
fn add(queue: Shown) -> Result<()> {
    let all = directory()?;
    let name = queue.name();
    if all.find(name.as_bytes()).is_some() {
        return Err(Errno::EEXIST);
    }
    let own = all.subdirectory(name)?;
    fill(&own, &queue).inspect_err(|_| remove(name))
}

fn remove(name: &str) {
    if let Ok(all) = directory() {
        // Not there if it could not be shown.
        let _ = all.remove(name);
    }
    if let Ok(devices) = devices() {
        let _ = devices.remove(name);
    }
}

fn fill(directory: &Directory, queue: &Shown) -> Result<()> {
    let per_cpu = u8::from(!queue.is_unbound());
    directory
        .add_file("per_cpu", Attribute::shown(move |text| Ok(writeln!(text, "{per_cpu}")?)))?;
    let (shown, set) = (queue.clone(), queue.clone());
    let max_active = Attribute::shown(move |text| Ok(writeln!(text, "{}", shown.max_active()?)?))
        .store(move |bytes| set.set_max_active(parse_integer(bytes)?))
        .permissions(WRITABLE);
    directory.add_file("max_active", max_active)?;
    directory.add_file("uevent", uevent())?;
    directory.add_symlink("subsystem", "../../../../bus/workqueue")?;
    let name = queue.name();
    devices()?.add_symlink(name, &format!("../../../devices/virtual/workqueue/{name}"))?;
    if queue.is_unbound() { fill_unbound(directory, queue) } else { Ok(()) }
}

/// Where its workers run, and how. What is set takes the queue from one pool to another.
fn fill_unbound(directory: &Directory, queue: &Shown) -> Result<()> {
    let (shown, set) = (queue.clone(), queue.clone());
    let nice = Attribute::shown(move |text| Ok(writeln!(text, "{}", shown.nice()?)?))
        .store(move |bytes| set.set_nice(parse_integer(bytes)?))
        .permissions(WRITABLE);
    directory.add_file("nice", nice)?;
    let (shown, set) = (queue.clone(), queue.clone());
    let cpumask = Attribute::shown(move |text| Ok(writeln!(text, "{}", hex(shown.cpus()?))?))
        .store(move |bytes| set.set_cpus(parse_mask(bytes)?))
        .permissions(WRITABLE);
    directory.add_file("cpumask", cpumask)?;
    let (shown, set) = (queue.clone(), queue.clone());
    let numa = Attribute::shown(move |text| Ok(writeln!(text, "{}", u8::from(shown.numa()?))?))
        .store(move |bytes| set.set_numa(parse_integer(bytes)? != 0))
        .permissions(WRITABLE);
    directory.add_file("numa", numa)?;
    let shown = queue.clone();
    let pools = Attribute::shown(move |text| {
        for (place, (node, pool)) in shown.pools()?.into_iter().enumerate() {
            let blank = if place == 0 { "" } else { " " };
            write!(text, "{blank}{node}:{pool}")?;
        }
        text.push(b"\n")
    });
    directory.add_file("pool_ids", pools)
}
