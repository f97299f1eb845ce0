//! A pair: the slave's terminal, and what its output waits in until the master reads.

use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::{Errno, Result};
use fs::{DeviceNumber, FileOperations, OpenFlags, Owner};
use sched::WaitQueue;
use sync::{LockClass, Once, SpinLock};

use super::{MAX_PAIRS, SLAVE_MAJOR};
use crate::driver::Driver;
use crate::file::TerminalFile;
use crate::ring::Ring;
use crate::termios::Termios;
use crate::tty::Tty;

/// How much output waits for the master at most.
const BUFFER: usize = 4096;

/// Inside `tty.output` and `tty.state`; takes nothing.
static BUFFER_LOCK: LockClass = LockClass::new("pty.buffer");
/// A leaf.
static OWNER_LOCK: LockClass = LockClass::new("pty.owner");
/// A leaf.
static PAIRS_LOCK: LockClass = LockClass::new("pty.pairs");

/// The pairs whose master is open, by index. The place is taken before the pair is made.
static PAIRS: SpinLock<Vec<Slot>> = SpinLock::new(&PAIRS_LOCK, Vec::new());

enum Slot {
    Free,
    Taken,
    Pair(Arc<Pair>, Arc<Tty>),
}

/// What master and slave share.
pub(super) struct Pair {
    index: usize,
    slave: Once<Weak<Tty>>,
    /// The slave's output.
    buffer: SpinLock<Ring<BUFFER>>,
    /// Whose node in devpts it is.
    pub(super) owner: SpinLock<Owner>,
    /// The slave cannot be opened yet.
    locked: AtomicBool,
    master_open: AtomicBool,
    /// The slave was open and is not any more.
    slave_closed: AtomicBool,
    /// Woken for the master's readers, and for its writers.
    pub(super) readable: Arc<WaitQueue>,
    pub(super) writable: Arc<WaitQueue>,
}

/// The device number of a slave.
pub(super) const fn number_of(index: usize) -> DeviceNumber {
    DeviceNumber::new(SLAVE_MAJOR, index as u32)
}

impl Pair {
    /// Makes a pair under the first free index.
    ///
    /// # Errors
    /// ENOSPC: there are too many. ENOMEM.
    pub(super) fn new(owner: Owner) -> Result<(Arc<Self>, Arc<Tty>)> {
        let index = reserve()?;
        let made = Self::make(index, owner);
        PAIRS.lock()[index] = match &made {
            Ok((pair, tty)) => Slot::Pair(pair.clone(), tty.clone()),
            Err(_) => Slot::Free,
        };
        made
    }

    fn make(index: usize, owner: Owner) -> Result<(Arc<Self>, Arc<Tty>)> {
        let pair = Arc::new(Self {
            index,
            slave: Once::new(),
            buffer: SpinLock::new(&BUFFER_LOCK, Ring::new()),
            owner: SpinLock::new(&OWNER_LOCK, owner),
            locked: AtomicBool::new(true),
            master_open: AtomicBool::new(true),
            slave_closed: AtomicBool::new(false),
            readable: Arc::new(WaitQueue::new()),
            writable: Arc::new(WaitQueue::new()),
        });
        let driver = pair.clone();
        let tty = Tty::new(format!("pts/{index}"), number_of(index), Termios::new(), driver)?;
        // The pair was made a moment ago: nobody else has set it.
        let _ = pair.slave.set(Arc::downgrade(&tty));
        Ok((pair, tty))
    }

    /// Its number.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    pub(super) fn set_locked(&self, locked: bool) {
        self.locked.store(locked, Ordering::Relaxed);
    }

    /// Whether the slave was open and is not any more.
    pub(super) fn is_slave_closed(&self) -> bool {
        self.slave_closed.load(Ordering::Acquire)
    }

    /// Whether the slave has written something.
    pub(super) fn has_output(&self) -> bool {
        !self.buffer.lock().is_empty()
    }

    /// Bytes that the slave has written.
    pub(super) fn output_bytes(&self) -> usize {
        self.buffer.lock().len()
    }

    /// Takes what the slave has written.
    pub(super) fn take_output(&self, buffer: &mut [u8]) -> usize {
        let mut ring = self.buffer.lock();
        let count = ring.peek(buffer);
        ring.consume(count);
        count
    }

    /// The master has been closed: the index is free again, and the slave cannot be used any more.
    pub(super) fn close_master(&self, tty: &Tty) {
        // Release: whoever finds the slave disconnected sees all that the master wrote.
        self.master_open.store(false, Ordering::Release);
        let slot = core::mem::replace(&mut PAIRS.lock()[self.index], Slot::Free);
        drop(slot);
        tty.hang_up();
    }
}

impl Driver for Pair {
    fn write(&self, bytes: &[u8]) {
        self.buffer.lock().push(bytes);
        self.readable.wake_all();
    }

    fn room(&self) -> usize {
        BUFFER - self.buffer.lock().len()
    }

    fn unsent(&self) -> usize {
        self.output_bytes()
    }

    fn flush(&self) {
        let mut ring = self.buffer.lock();
        let all = ring.len();
        ring.consume(all);
    }

    fn input_wanted(&self) {
        self.writable.wake_all();
    }

    fn is_connected(&self) -> bool {
        self.master_open.load(Ordering::Acquire)
    }

    fn closed(&self) {
        self.slave_closed.store(true, Ordering::Release);
        self.readable.wake_all();
    }
}

/// Takes the first free index.
fn reserve() -> Result<usize> {
    let mut pairs = PAIRS.lock();
    let free = pairs.iter().position(|slot| matches!(slot, Slot::Free));
    let index = match free {
        Some(index) => index,
        None if pairs.len() < MAX_PAIRS => {
            pairs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            pairs.push(Slot::Free);
            pairs.len() - 1
        }
        None => return Err(Errno::ENOSPC),
    };
    pairs[index] = Slot::Taken;
    Ok(index)
}

/// The pair with an index.
pub(super) fn find(index: usize) -> Option<(Arc<Pair>, Arc<Tty>)> {
    match PAIRS.lock().get(index)? {
        Slot::Pair(pair, tty) => Some((pair.clone(), tty.clone())),
        Slot::Free | Slot::Taken => None,
    }
}

/// The first pair whose index is at least `index`.
pub(super) fn next_from(index: usize) -> Option<Arc<Pair>> {
    let pairs = PAIRS.lock();
    pairs.get(index..)?.iter().find_map(|slot| match slot {
        Slot::Pair(pair, _) => Some(pair.clone()),
        Slot::Free | Slot::Taken => None,
    })
}

/// Opens the slave with a device number.
pub(super) fn open_slave(
    device: DeviceNumber,
    flags: OpenFlags,
) -> Result<Arc<dyn FileOperations>> {
    let (pair, tty) = find(device.minor as usize).ok_or(Errno::EIO)?;
    if pair.is_locked() {
        return Err(Errno::EIO);
    }
    let file = TerminalFile::open(&tty)?;
    pair.slave_closed.store(false, Ordering::Release);
    if !flags.contains(OpenFlags::NOCTTY) && flags.readable() {
        tty.acquire_at_open();
    }
    Ok(file)
}
