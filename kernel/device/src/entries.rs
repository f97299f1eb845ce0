//! A device's place in sysfs: its directory below `/sys/devices`, and the links to it from its class and its number.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use errno::Result;
use kernfs::{Attribute, Directory};
use sched::Mutex;
use sync::LockClass;

use crate::builder::Identity;
use crate::uevent;

/// One device comes or goes in sysfs at a time; `kernfs.directory` is taken inside.
static ENTRIES_LOCK: LockClass = LockClass::new("device.entries");
static ENTRIES: Mutex<()> = Mutex::new(&ENTRIES_LOCK, ());

impl Identity {
    /// The directory of its class's devices, below `/sys`.
    fn siblings(&self) -> String {
        format!("devices/{}/{}", self.parent, self.class)
    }

    /// Its own directory, below `/sys`.
    pub(crate) fn directory(&self) -> String {
        format!("{}/{}", self.siblings(), self.name)
    }

    /// The name of its link in `/sys/dev/char`.
    fn number_name(&self) -> Option<String> {
        self.number.map(|number| format!("{}:{}", number.major, number.minor))
    }
}

/// Makes a device's entries, or none.
///
/// # Errors
/// EEXIST: it, or its number, is there. ENOMEM.
pub(crate) fn add(identity: &Arc<Identity>, attributes: Vec<(&str, Attribute)>) -> Result<()> {
    let root = sysfs::root();
    let own = Directory::new(root.tree());
    fill(&own, identity, attributes)?;
    let _one_at_a_time = ENTRIES.lock();
    let class = root.subdirectory(&format!("class/{}", identity.class))?;
    // Whole when it can be seen.
    root.subdirectory(&identity.siblings())?.add(&identity.name, own)?;
    let target = format!("../../{}", identity.directory());
    let linked =
        class.add_symlink(&identity.name, &target).and_then(|()| match identity.number_name() {
            Some(number) => root.subdirectory("dev/char")?.add_symlink(&number, &target),
            None => Ok(()),
        });
    if linked.is_err() {
        // What has not been made yet, and what is another device's, is not this one's to remove.
        remove_links(identity);
        remove_directory(identity);
    }
    linked
}

/// Removes a device's entries.
pub(crate) fn remove(identity: &Identity) {
    let _one_at_a_time = ENTRIES.lock();
    remove_links(identity);
    remove_directory(identity);
}

fn fill(
    own: &Directory,
    identity: &Arc<Identity>,
    attributes: Vec<(&str, Attribute)>,
) -> Result<()> {
    own.add_file("uevent", uevent::attribute(identity))?;
    if let Some(number) = identity.number {
        let dev =
            Attribute::shown(move |text| Ok(writeln!(text, "{}:{}", number.major, number.minor)?));
        own.add_file("dev", dev)?;
    }
    let up = "../".repeat(identity.directory().split('/').count());
    own.add_symlink("subsystem", &format!("{up}class/{}", identity.class))?;
    attributes.into_iter().try_for_each(|(name, attribute)| own.add_file(name, attribute))
}

/// Removes a link if it leads to this device.
fn remove_link(directory: &str, name: &str, identity: &Identity) {
    let Ok(directory) = sysfs::root().subdirectory(directory) else { return };
    let target = format!("../../{}", identity.directory());
    let leads_here = directory.find(name.as_bytes()).is_some_and(|link| {
        matches!(link.read_link(), Ok(fs::LinkTarget::Text(text)) if text == target.as_bytes())
    });
    if leads_here {
        // Only this crate removes from there, and holds the lock.
        let _ = directory.remove(name);
    }
}

fn remove_links(identity: &Identity) {
    remove_link(&format!("class/{}", identity.class), &identity.name, identity);
    if let Some(number) = identity.number_name() {
        remove_link("dev/char", &number, identity);
    }
}

fn remove_directory(identity: &Identity) {
    if let Ok(siblings) = sysfs::root().subdirectory(&identity.siblings()) {
        let _ = siblings.remove(&identity.name);
    }
}
