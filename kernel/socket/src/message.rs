//! What goes with bytes through a socket.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use fs::File;
use process::Pid;

/// The most files that one message carries (`SCM_MAX_FD`).
pub const FILES_MAX: usize = 253;
/// What a message costs besides its bytes.
pub const MESSAGE_OVERHEAD: usize = 256;

/// Who sent a message or made a connection.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The process; none: the kernel.
    pub pid: Option<Arc<Pid>>,
    /// The user that it is said to act for.
    pub uid: u32,
    /// The group likewise.
    pub gid: u32,
}

impl Identity {
    /// The kernel.
    pub const KERNEL: Self = Self { pid: None, uid: 0, gid: 0 };

    /// The running process with its real IDs, as messages carry them unless the sender says otherwise.
    pub fn of_sender() -> Self {
        let credentials = process::credentials();
        Self { pid: current_pid(), uid: credentials.uid, gid: credentials.gid }
    }

    /// The running process with its effective IDs, as `SO_PEERCRED` shows it.
    pub fn of_connector() -> Self {
        let credentials = process::credentials();
        Self { pid: current_pid(), uid: credentials.euid, gid: credentials.egid }
    }

    /// Whether bytes of both may be given to a reader in one piece.
    pub fn is_same(&self, other: &Self) -> bool {
        let process = |identity: &Self| identity.pid.as_ref().map(Arc::as_ptr);
        process(self) == process(other) && self.uid == other.uid && self.gid == other.gid
    }
}

fn current_pid() -> Option<Arc<Pid>> {
    Some(process::current_process().pid().clone())
}

/// What a message carries besides its bytes.
#[derive(Default)]
pub struct Ancillary {
    /// Who sent it, checked.
    pub sender: Option<Identity>,
    /// Open files for the receiver.
    pub files: Vec<Arc<File>>,
}

bitflags! {
    /// How to receive (`MSG_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Receive: u32 {
        /// What is read stays.
        const PEEK = 0x02;
        /// The length is the message's, even if less was given.
        const TRUNC = 0x20;
        /// Do not wait.
        const DONTWAIT = 0x40;
        /// Wait until all that was asked for is there; of a stream.
        const WAITALL = 0x100;
    }
}

/// What was received besides bytes.
#[derive(Default)]
pub struct Received {
    /// How many bytes.
    pub length: usize,
    /// Some of the message did not fit and is lost.
    pub truncated: bool,
    /// Who sent it, if that was noted.
    pub sender: Option<Identity>,
    /// Files that came along.
    pub files: Vec<Arc<File>>,
}
