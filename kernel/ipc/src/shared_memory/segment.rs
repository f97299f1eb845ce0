//! A segment.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};
use process::Pid;
use sync::{LockClass, SpinLock};
use vm::SharedMemory;

use super::Claim;
use crate::permissions::{NewOwner, Permissions};

/// A leaf.
static SEGMENT_LOCK: LockClass = LockClass::new("ipc.segment");

/// What is known of a segment. Times are in nanoseconds since 1970; 0: never.
#[derive(Clone)]
pub struct Status {
    /// Whose it is.
    pub permissions: Permissions,
    /// How often it is attached.
    pub attached: u64,
    /// It goes with its last attachment (`SHM_DEST`).
    pub is_doomed: bool,
    /// Its pages are to stay in memory (`SHM_LOCKED`), as all do here.
    pub is_locked: bool,
    /// Who made it.
    pub creator: Arc<Pid>,
    /// Who attached or detached it last.
    pub last: Option<Arc<Pid>>,
    /// When it was attached last.
    pub attached_at: u64,
    /// When it was detached last.
    pub detached_at: u64,
    /// When it was last changed otherwise.
    pub changed: u64,
}

/// Bits above the permissions in what programs are shown.
const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;

impl Status {
    /// Permission bits, and those that say what is to become of it.
    pub fn mode(&self) -> u32 {
        let bit = |is_so, bit| if is_so { bit } else { 0 };
        self.permissions.mode | bit(self.is_doomed, SHM_DEST) | bit(self.is_locked, SHM_LOCKED)
    }
}

struct State {
    status: Status,
    /// It is out of the registry, or about to be.
    gone: bool,
}

/// A piece of memory that programs attach.
pub struct Segment {
    number: i32,
    key: i32,
    size: usize,
    pub(super) memory: SharedMemory,
    state: SpinLock<State>,
    _claim: Claim,
}

impl Segment {
    pub(super) fn new(
        number: i32,
        key: i32,
        size: usize,
        claim: Claim,
        permissions: Permissions,
        creator: Arc<Pid>,
    ) -> Self {
        let status = Status {
            permissions,
            attached: 0,
            is_doomed: false,
            is_locked: false,
            creator,
            last: None,
            attached_at: 0,
            detached_at: 0,
            changed: time::realtime(),
        };
        Self {
            number,
            key,
            size,
            memory: SharedMemory::new(claim.0),
            state: SpinLock::new(&SEGMENT_LOCK, State { status, gone: false }),
            _claim: claim,
        }
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// The key that it was made for; 0: none, or it is to go.
    pub fn key(&self) -> i32 {
        if self.state.lock().status.is_doomed { crate::registry::PRIVATE } else { self.key }
    }

    /// Its size in bytes, as it was asked for.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many of its pages there are.
    pub fn resident(&self) -> u64 {
        self.memory.resident() as u64
    }

    /// What is known of it.
    pub fn status(&self) -> Status {
        self.state.lock().status.clone()
    }

    /// Changes owner and permission bits.
    ///
    /// # Errors
    /// EPERM, EIDRM.
    pub fn set_owner(&self, to: &NewOwner, who: &Credentials) -> Result<()> {
        let mut state = self.state.lock();
        state.require()?;
        state.status.permissions.check_owner(who)?;
        state.status.permissions.change(to);
        state.status.changed = time::realtime();
        Ok(())
    }

    /// Says that its pages are to stay in memory, or need not. `limit`: how much memory the caller may lock.
    ///
    /// # Errors
    /// EPERM: neither its owner nor privileged, or nothing may be locked. ENOMEM: it is larger than the limit. EIDRM.
    pub fn set_locked(&self, locked: bool, limit: u64, who: &Credentials) -> Result<()> {
        let mut state = self.state.lock();
        state.require()?;
        if !who.capable(Capabilities::IPC_LOCK) {
            if !state.status.permissions.is_owned_by(who) || locked && limit == 0 {
                return Err(Errno::EPERM);
            }
            if locked && self.size as u64 > limit {
                return Err(Errno::ENOMEM);
            }
        }
        state.status.is_locked = locked;
        Ok(())
    }

    /// It is to go. Returns whether it goes now.
    pub(super) fn doom(&self, who: &Credentials) -> Result<bool> {
        let mut state = self.state.lock();
        state.require()?;
        state.status.permissions.check_owner(who)?;
        state.status.is_doomed = true;
        state.gone = state.status.attached == 0;
        Ok(state.gone)
    }

    /// One more attachment, which somebody makes.
    pub(super) fn attach(&self, pid: &Arc<Pid>) -> Result<()> {
        let mut state = self.state.lock();
        state.require()?;
        state.status.attached += 1;
        state.status.attached_at = time::realtime();
        let before = state.status.last.replace(pid.clone());
        drop(state);
        drop(before);
        Ok(())
    }

    /// One attachment less. Returns whether the segment goes with it.
    pub(super) fn detach(&self, pid: Arc<Pid>) -> bool {
        let mut state = self.state.lock();
        state.status.attached -= 1;
        state.status.detached_at = time::realtime();
        state.gone = state.status.is_doomed && state.status.attached == 0;
        let gone = state.gone;
        let before = state.status.last.replace(pid);
        drop(state);
        drop(before);
        gone
    }
}

impl State {
    fn require(&self) -> Result<()> {
        if self.gone { Err(Errno::EIDRM) } else { Ok(()) }
    }
}
