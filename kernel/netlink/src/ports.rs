//! Which socket has which port.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use errno::{Errno, Result};
use sync::{LockClass, SpinLock};

use crate::inbox::Message;
use crate::socket::{Protocol, Socket};

/// `netlink.inbox` is taken inside.
static PORTS_LOCK: LockClass = LockClass::new("netlink.ports");

/// Ports of the kernel's choice go down from here, if the process's number is taken.
const CHOSEN: u32 = -4096_i32 as u32;

/// A socket is in here only while its file holds it, so to let go of one under the lock ends none.
static PORTS: SpinLock<BTreeMap<(Protocol, u32), Weak<Socket>>> =
    SpinLock::new(&PORTS_LOCK, BTreeMap::new());

/// Gives a socket a port; one that has one keeps it.
///
/// # Errors
/// EADDRINUSE.
pub(crate) fn insert(socket: &Socket, port: u32) -> Result<()> {
    let mut ports = PORTS.lock();
    if socket.port() != 0 {
        return Ok(());
    }
    if ports.contains_key(&(socket.protocol(), port)) {
        return Err(Errno::EADDRINUSE);
    }
    ports.insert((socket.protocol(), port), socket.me.clone());
    socket.set_port(port);
    Ok(())
}

/// Gives a socket a port that is free: the process's number, or one that looks negative.
pub(crate) fn choose(socket: &Socket, first: u32) {
    let mut port = first;
    // There are more ports than sockets, so that this ends.
    while insert(socket, port).is_err() {
        port = if port == first { CHOSEN } else { port.wrapping_sub(1) };
    }
}

/// Takes a socket's port away.
pub(crate) fn remove(socket: &Socket) {
    PORTS.lock().remove(&(socket.protocol(), socket.port()));
}

/// Whether a group (1 to 32) has members. Any context.
pub(crate) fn has_members(protocol: Protocol, group: u32) -> bool {
    let groups = 1 << (group - 1);
    let ports = PORTS.lock();
    let mut all = ports.range((protocol, 0)..=(protocol, u32::MAX));
    all.any(|(_, socket)| socket.upgrade().is_some_and(|socket| socket.groups() & groups != 0))
}

/// Says to all members of a group that a message to them is lost.
pub(crate) fn lose(protocol: Protocol, group: u32) {
    let groups = 1 << (group - 1);
    let ports = PORTS.lock();
    let all = ports.range((protocol, 0)..=(protocol, u32::MAX));
    for socket in all.filter_map(|(_, socket)| socket.upgrade()) {
        if socket.groups() & groups != 0 {
            socket.note_loss();
        }
    }
}

/// Sends a message to all members of a group (1 to 32). Any context that may use memory.
pub(crate) fn multicast(protocol: Protocol, group: u32, bytes: &Arc<[u8]>) {
    let groups = 1 << (group - 1);
    let mut members = Vec::new();
    {
        let ports = PORTS.lock();
        let all = ports.range((protocol, 0)..=(protocol, u32::MAX));
        let all = all.filter_map(|(_, socket)| socket.upgrade());
        for socket in all.filter(|socket| socket.groups() & groups != 0) {
            if members.try_reserve(1).is_ok() {
                members.push(socket.clone());
            } else {
                socket.note_loss();
            }
        }
    }
    for socket in members {
        socket.deliver(Message { bytes: bytes.clone(), groups });
    }
}
