//! A set of semaphores.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::Credentials;
use sched::WaitQueue;
use sync::{LockClass, SpinLock};

use crate::permissions::{NewOwner, Permissions};

/// A leaf.
static SET_LOCK: LockClass = LockClass::new("ipc.set");

/// The highest value (`SEMVMX`).
pub const VALUE_MAX: u16 = 32767;

/// One counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Semaphore {
    pub(crate) value: u16,
    /// The process that changed it last.
    pub(crate) pid: u32,
    /// How many wait for more, and for 0.
    pub(crate) waiting_for_more: u32,
    pub(crate) waiting_for_zero: u32,
}

pub(crate) struct State {
    pub(crate) permissions: Permissions,
    pub(crate) semaphores: Vec<Semaphore>,
    /// What each process's end is to add.
    pub(crate) undo: BTreeMap<u32, Vec<i32>>,
    pub(crate) operated: u64,
    pub(crate) changed: u64,
    pub(crate) removed: bool,
}

/// What is known of a set.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Whose it is.
    pub permissions: Permissions,
    /// How many semaphores it has.
    pub count: usize,
    /// When it was last operated on, in nanoseconds since 1970; 0: never.
    pub operated: u64,
    /// When it was last changed otherwise.
    pub changed: u64,
}

/// A set of semaphores.
pub struct Set {
    number: i32,
    key: i32,
    pub(crate) state: SpinLock<State>,
    /// Woken by every change.
    pub(crate) queue: WaitQueue,
}

impl Set {
    pub(crate) fn new(
        number: i32,
        key: i32,
        semaphores: Vec<Semaphore>,
        permissions: Permissions,
    ) -> Self {
        let state = State {
            permissions,
            semaphores,
            undo: BTreeMap::new(),
            operated: 0,
            changed: time::realtime(),
            removed: false,
        };
        let (state, queue) = (SpinLock::new(&SET_LOCK, state), WaitQueue::new());
        Self { number, key, state, queue }
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// The key that it is found by; 0: none.
    pub fn key(&self) -> i32 {
        self.key
    }

    /// What is known of it.
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            permissions: state.permissions,
            count: state.semaphores.len(),
            operated: state.operated,
            changed: state.changed,
        }
    }

    /// Reads something of one semaphore: its value, who changed it last, how many wait for more and for 0.
    ///
    /// # Errors
    /// EINVAL: there is none with this index. EIDRM.
    pub fn look(&self, index: usize) -> Result<(u16, u32, u32, u32)> {
        let state = self.state.lock();
        if state.removed {
            return Err(Errno::EIDRM);
        }
        let one = state.semaphores.get(index).ok_or(Errno::EINVAL)?;
        Ok((one.value, one.pid, one.waiting_for_more, one.waiting_for_zero))
    }

    /// All values.
    pub fn values(&self) -> Vec<u16> {
        self.state.lock().semaphores.iter().map(|one| one.value).collect()
    }

    /// Sets one value, and forgets what was to be undone to it.
    ///
    /// # Errors
    /// EINVAL, ERANGE, EIDRM.
    pub fn set_value(&self, index: usize, value: i32, pid: u32) -> Result<()> {
        let value = checked(value)?;
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::EIDRM);
        }
        let one = state.semaphores.get_mut(index).ok_or(Errno::EINVAL)?;
        (one.value, one.pid) = (value, pid);
        for undo in state.undo.values_mut() {
            undo[index] = 0;
        }
        self.finish(state);
        Ok(())
    }

    /// Sets all values, and forgets what was to be undone.
    ///
    /// # Errors
    /// ERANGE, EIDRM.
    pub fn set_values(&self, values: &[u16], pid: u32) -> Result<()> {
        if values.iter().any(|&value| value > VALUE_MAX) {
            return Err(Errno::ERANGE);
        }
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::EIDRM);
        }
        for (one, &value) in state.semaphores.iter_mut().zip(values) {
            (one.value, one.pid) = (value, pid);
        }
        let forgotten = core::mem::take(&mut state.undo);
        self.finish(state);
        drop(forgotten);
        Ok(())
    }

    fn finish(&self, mut state: sync::SpinGuard<'_, State>) {
        state.changed = time::realtime();
        drop(state);
        self.queue.wake_all();
    }

    /// Changes owner and permission bits.
    ///
    /// # Errors
    /// EPERM, EIDRM.
    pub fn set_owner(&self, to: &NewOwner, who: &Credentials) -> Result<()> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::EIDRM);
        }
        state.permissions.check_owner(who)?;
        state.permissions.change(to);
        state.changed = time::realtime();
        Ok(())
    }

    /// It is found no more: who waits on it is told.
    pub(crate) fn remove(&self) {
        self.state.lock().removed = true;
        self.queue.wake_all();
    }
}

/// Semaphores for a new set.
///
/// # Errors
/// ENOMEM.
pub(crate) fn new_semaphores(count: usize) -> Result<Vec<Semaphore>> {
    let mut semaphores = Vec::new();
    semaphores.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    semaphores.resize(count, Semaphore::default());
    Ok(semaphores)
}

fn checked(value: i32) -> Result<u16> {
    u16::try_from(value).ok().filter(|&value| value <= VALUE_MAX).ok_or(Errno::ERANGE)
}
