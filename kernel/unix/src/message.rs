//! What goes from socket to socket.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::File;
use process::Pid;

use crate::account::Charge;
use crate::address::Address;
use crate::garbage::Flying;

/// The most files that one message carries (`SCM_MAX_FD`).
pub const FILES_MAX: usize = 253;

/// Who sent a message or made a connection.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The process.
    pub pid: Arc<Pid>,
    /// The user that it is said to act for.
    pub uid: u32,
    /// The group likewise.
    pub gid: u32,
}

impl Identity {
    /// The running process with its real IDs, as messages carry them unless the sender says otherwise.
    pub fn of_sender() -> Self {
        let credentials = process::credentials();
        let pid = process::current_process().pid().clone();
        Self { pid, uid: credentials.uid, gid: credentials.gid }
    }

    /// The running process with its effective IDs, as `SO_PEERCRED` shows it.
    pub fn of_connector() -> Self {
        let credentials = process::credentials();
        let pid = process::current_process().pid().clone();
        Self { pid, uid: credentials.euid, gid: credentials.egid }
    }

    /// Whether bytes of both may be given to a reader in one piece.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pid, &other.pid) && self.uid == other.uid && self.gid == other.gid
    }
}

/// What a message carries besides its bytes.
#[derive(Default)]
pub struct Ancillary {
    /// Who sent it, checked.
    pub sender: Option<Identity>,
    /// Open files for the receiver.
    pub files: Vec<Arc<File>>,
}

/// What is in a message besides its bytes; most have none of it.
pub(crate) struct Extra {
    pub(crate) sender: Option<Identity>,
    pub(crate) files: Flying,
    /// The sender's name, of datagrams.
    pub(crate) from: Option<Arc<Address>>,
}

/// Bytes on their way.
pub(crate) struct Message {
    data: Vec<u8>,
    /// How much of it has been read.
    start: usize,
    pub(crate) extra: Option<Box<Extra>>,
    _charge: Charge,
}

impl Message {
    pub(crate) fn new(data: Vec<u8>, extra: Option<Extra>, charge: Charge) -> Self {
        Self { data, start: 0, extra: extra.map(Box::new), _charge: charge }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.data[self.start..]
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    pub(crate) fn sender(&self) -> Option<&Identity> {
        self.extra.as_ref()?.sender.as_ref()
    }

    /// Whether both may be read in one piece by somebody who wants to know the senders.
    pub(crate) fn is_of(&self, sender: Option<&Identity>) -> bool {
        match (self.sender(), sender) {
            (Some(mine), Some(theirs)) => mine.is_same(theirs),
            (None, None) => true,
            _ => false,
        }
    }
}
