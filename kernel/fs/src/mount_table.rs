//! The lists of mounts that `/proc` shows.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::dentry::Dentry;
use crate::namespace::MountNamespace;
use crate::path::{Path, Top, join};
use crate::stat::MountFlags;

impl MountNamespace {
    /// Writes a line for each mount that can be reached from `root`: `/proc/mounts`.
    pub fn show(&self, root: &Path, out: &mut dyn Write) -> fmt::Result {
        for mount in self.mounts() {
            let top = Path::new(mount.clone(), mount.root().clone());
            let (place, Top::Root) = top.walk_up(Some(root)) else { continue };
            show_escaped(out, mount.source().as_bytes())?;
            out.write_char(' ')?;
            show_escaped(out, &place)?;
            write!(out, " {} ", mount.superblock().kind())?;
            show_flags(out, mount.flags())?;
            mount.superblock().file_system().show_options(out)?;
            out.write_str(" 0 0\n")?;
        }
        Ok(())
    }

    /// Writes `/proc/PID/mountinfo`.
    pub fn show_info(&self, root: &Path, out: &mut dyn Write) -> fmt::Result {
        for mount in self.mounts() {
            let top = Path::new(mount.clone(), mount.root().clone());
            let (place, Top::Root) = top.walk_up(Some(root)) else { continue };
            let parent = mount.place().map_or(mount.id(), |place| place.mount().id());
            let device = mount.root().inode().stat().map(|stat| stat.device).unwrap_or_default();
            write!(out, "{} {} {}:{} ", mount.id(), parent, device.major, device.minor)?;
            let base = Path::new(mount.clone(), mount.superblock().root().clone());
            show_escaped(out, &path_in_file_system(mount.root(), &base))?;
            out.write_char(' ')?;
            show_escaped(out, &place)?;
            out.write_char(' ')?;
            show_flags(out, mount.flags())?;
            write!(out, " - {} ", mount.superblock().kind())?;
            show_escaped(out, mount.source().as_bytes())?;
            out.write_str(" rw")?;
            mount.superblock().file_system().show_options(out)?;
            out.write_char('\n')?;
        }
        Ok(())
    }
}

fn path_in_file_system(dentry: &Arc<Dentry>, base: &Path) -> Vec<u8> {
    let mut names = Vec::new();
    let mut at = dentry.clone();
    while !Arc::ptr_eq(&at, base.dentry()) {
        let (parent, name) = at.parent_and_name();
        let Some(parent) = parent else { break };
        names.push(name);
        at = parent;
    }
    join(&names)
}

/// Writes text with blanks, tabs, line ends and backslashes as octal numbers.
fn show_escaped(out: &mut dyn Write, text: &[u8]) -> fmt::Result {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                ' ' | '\t' | '\n' | '\\' | '#' => write!(out, "\\{:03o}", character as u32)?,
                _ => out.write_char(character)?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\{byte:03o}")?;
        }
    }
    Ok(())
}

fn show_flags(out: &mut dyn Write, flags: MountFlags) -> fmt::Result {
    out.write_str(if flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" })?;
    for (flag, name) in [
        (MountFlags::SYNCHRONOUS, "sync"),
        (MountFlags::NOSUID, "nosuid"),
        (MountFlags::NODEV, "nodev"),
        (MountFlags::NOEXEC, "noexec"),
        (MountFlags::NOATIME, "noatime"),
        (MountFlags::NODIRATIME, "nodiratime"),
        (MountFlags::RELATIME, "relatime"),
    ] {
        if flags.contains(flag) {
            write!(out, ",{name}")?;
        }
    }
    Ok(())
}
