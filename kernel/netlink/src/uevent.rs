//! `NETLINK_KOBJECT_UEVENT`: what is told of devices that come and go. Messages have no header of netlink's.

use alloc::sync::Arc;

use device::uevent::{self, Carrier};

use crate::ports;
use crate::socket::Protocol;

/// The group that the kernel sends to. Group 2 is udev's own, for what it makes of these.
const KERNEL: u32 = 1;

/// Ties this crate to the devices.
pub(crate) fn init() {
    uevent::set_carrier(Carrier {
        is_wanted: || ports::has_members(Protocol::Uevent, KERNEL),
        send: |message: Arc<[u8]>| ports::multicast(Protocol::Uevent, KERNEL, &message),
        lose: || ports::lose(Protocol::Uevent, KERNEL),
    });
}
