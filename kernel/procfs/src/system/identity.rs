//! What kernel, on what machine, with what parts.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;

/// `version`
pub(super) fn version(text: &mut Text) -> Result<()> {
    use process::{RELEASE, SYSNAME, VERSION};
    writeln!(text, "{SYSNAME} version {RELEASE} (heddle@heddle) (rustc) {VERSION}")?;
    Ok(())
}

/// `cmdline`
pub(super) fn cmdline(text: &mut Text) -> Result<()> {
    writeln!(text, "{}", machine::boot::command_line())?;
    Ok(())
}

/// `cpuinfo`: a paragraph for each CPU that is online.
pub(super) fn cpuinfo(text: &mut Text) -> Result<()> {
    for cpu in sched::online().iter() {
        machine::cpu::describe(cpu, text)?;
        text.push(b"\n")?;
    }
    Ok(())
}

/// `filesystems`
pub(super) fn filesystems(text: &mut Text) -> Result<()> {
    for kind in fs::filesystem_types().iter() {
        writeln!(text, "{}\t{}", if kind.nodev { "nodev" } else { "" }, kind.name)?;
    }
    Ok(())
}

/// `cgroups`: the controllers, of which there are none.
pub(super) fn cgroups(text: &mut Text) -> Result<()> {
    text.push(b"#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
}

/// `devices`: the drivers by their major numbers.
pub(super) fn devices(text: &mut Text) -> Result<()> {
    text.push(b"Character devices:\n")?;
    let mut outcome = Ok(());
    fs::char_device::for_each_driver(|major, name| {
        outcome = outcome.and_then(|()| writeln!(text, "{major:>3} {name}"));
    });
    outcome?;
    text.push(b"\nBlock devices:\n")
}

/// `misc`: the devices of major number 10.
pub(super) fn misc(text: &mut Text) -> Result<()> {
    let mut outcome = Ok(());
    device::misc::for_each(|minor, name| {
        outcome = outcome.and_then(|()| writeln!(text, "{minor:>3} {name}"));
    });
    Ok(outcome?)
}

/// `partitions`: a heading, as there are no disks.
pub(super) fn partitions(text: &mut Text) -> Result<()> {
    text.push(b"major minor  #blocks  name\n\n")
}
