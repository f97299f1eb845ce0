//! A device, from its description to its end.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fault::Point;
use fs::DeviceNumber;
use kernfs::Attribute;

use crate::entries;
use crate::kdevtmpfs::{self, Asking};
use crate::uevent::{self, Action};

/// The mode of a node whose driver asks for none.
const NODE_MODE: u32 = 0o600;

/// What never changes of a device.
pub(crate) struct Identity {
    pub(crate) class: &'static str,
    pub(crate) name: String,
    /// Below `/sys/devices`, without the class and the name.
    pub(crate) parent: &'static str,
    pub(crate) number: Option<DeviceNumber>,
    /// Where its node is below `/dev`, if that is not its name.
    path: Option<&'static str>,
    /// The node's permission bits, if the driver asks for some.
    pub(crate) mode: Option<u32>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) asking: Asking,
}

impl Identity {
    /// Where its node is below `/dev`.
    pub(crate) fn node_path(&self) -> &str {
        self.path.unwrap_or(&self.name)
    }

    pub(crate) fn node_mode(&self) -> u32 {
        self.mode.unwrap_or(NODE_MODE)
    }
}

/// Describes a device that is to come.
///
/// ```ignore
///   let device = Builder::new("mem", "null").number(DeviceNumber::new(1, 3)).mode(0o666).add()?;
/// ```
#[must_use = "a description adds no device by itself"]
pub struct Builder {
    identity: Identity,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Builder {
    /// A device of a class, with no parent that anybody could see (`virtual`).
    pub fn new(class: &'static str, name: impl Into<String>) -> Self {
        let identity = Identity {
            class,
            name: name.into(),
            parent: "virtual",
            number: None,
            path: None,
            mode: None,
            uid: 0,
            gid: 0,
            asking: Asking::new(),
        };
        Self { identity, attributes: Vec::new() }
    }

    /// It is opened by this number, and so has a node. The driver has said before who opens it.
    pub fn number(mut self, number: DeviceNumber) -> Self {
        self.identity.number = Some(number);
        self
    }

    /// Its node's permission bits; 0600 without this.
    pub fn mode(mut self, mode: u32) -> Self {
        self.identity.mode = Some(mode);
        self
    }

    /// Its node's owner and group; root without this.
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.identity.uid, self.identity.gid) = (uid, gid);
        self
    }

    /// Where its node is below `/dev`; its name without this. The directories on the way come and go with it.
    pub fn node_path(mut self, path: &'static str) -> Self {
        self.identity.path = Some(path);
        self
    }

    /// The device that it is a part of, as a path below `/sys/devices`.
    pub fn parent(mut self, path: &'static str) -> Self {
        self.identity.parent = path;
        self
    }

    /// A file in its directory of sysfs.
    pub fn attribute(mut self, name: &'static str, attribute: Attribute) -> Self {
        self.attributes.push((name, attribute));
        self
    }

    /// Adds the device: sysfs, its node, and then tells who listens. Returns when all that is done; if something cannot be
    /// done, all is undone. A node's name that a program has taken stays the program's, and the device comes without. May
    /// sleep.
    ///
    /// # Errors
    /// EEXIST: the class has a device of this name, or the number has one. ENOMEM; ENOSPC, ENOTDIR: no node.
    pub fn add(self) -> Result<Device> {
        if fault::should_fail(Point::Device) {
            return Err(Errno::ENOMEM);
        }
        let identity = Arc::new(self.identity);
        entries::add(&identity, self.attributes)?;
        match kdevtmpfs::make_node(&identity) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                log::warn!("devtmpfs: {} is there already", identity.node_path());
            }
            Err(error) => {
                entries::remove(&identity);
                return Err(error);
            }
        }
        uevent::tell(&identity, Action::Add, "");
        Ok(Device { identity })
    }
}

/// A device that is there. To drop this leaves it there for ever.
pub struct Device {
    identity: Arc<Identity>,
}

impl Device {
    /// Takes it away: its node, if the name still leads to that, its place in sysfs, and tells who listens. Returns when all
    /// that is done. Files that are open stay so; that they are of no use any more is the driver's affair. May sleep.
    pub fn remove(self) {
        if let Err(error) = kdevtmpfs::remove_node(&self.identity)
            && error != Errno::ENOENT
        {
            // Whoever opens it finds no device behind it.
            log::warn!("devtmpfs: {} stays: {error}", self.identity.node_path());
        }
        uevent::tell(&self.identity, Action::Remove, "");
        entries::remove(&self.identity);
    }
}

#[cfg(test)]
pub(crate) fn identity_of(builder: Builder) -> Identity {
    builder.identity
}
