//! The rings of the machine, and whether anything goes into them.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use errno::{Errno, Result};
use machine::MAX_CPUS;
use sync::{LockClass, Once, SpinLock};

use crate::buffer::{Counts, Moment, Ring};
use crate::field::COMM_SIZE;
use crate::line::MARK;

/// A leaf: records are made under any other lock.
static RING_LOCK: LockClass = LockClass::new("trace.ring");

static RINGS: [SpinLock<Ring>; MAX_CPUS] =
    [const { SpinLock::new(&RING_LOCK, Ring::new()) }; MAX_CPUS];

/// `tracing_on`.
static ON: AtomicBool = AtomicBool::new(true);

/// The size of each ring in bytes, once there are any.
static RING_SIZE: AtomicUsize = AtomicUsize::new(256 * 1024);
/// The least and the most that may be asked for: what memory has in one piece.
const SMALLEST: usize = 4096;
const LARGEST: usize = 4 * 1024 * 1024;

/// The rings have their room.
static READY: AtomicBool = AtomicBool::new(false);

/// The running task, as records name it.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Its name, padded with NULs.
    pub comm: [u8; COMM_SIZE],
}

static RUNNING: Once<fn() -> Running> = Once::new();

/// Says how to find out which task runs. The function is called with interrupts off,
/// in any context. Once.
pub fn set_running_hook(hook: fn() -> Running) {
    let fresh = RUNNING.set(hook).is_ok();
    assert!(fresh, "the running task is asked for in one place");
}

/// Whether records are taken (`tracing_on`).
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Sets whether records are taken.
pub fn set_on(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

/// The size of each CPU's ring in bytes.
pub fn ring_size() -> usize {
    RING_SIZE.load(Ordering::Relaxed)
}

/// Gives each CPU a ring of another size; what is in them is lost. May sleep.
///
/// # Errors
/// EINVAL: smaller than a page, or absurd. ENOMEM: some have the old size.
pub fn set_ring_size(bytes: usize) -> Result<()> {
    if !(SMALLEST..=LARGEST).contains(&bytes) {
        return Err(Errno::EINVAL);
    }
    RING_SIZE.store(bytes, Ordering::Relaxed);
    if READY.load(Ordering::Relaxed) { make_rings(bytes) } else { Ok(()) }
}

/// Sees to it that there are rings. May sleep.
pub(crate) fn require_rings() -> Result<()> {
    if READY.load(Ordering::Relaxed) {
        return Ok(());
    }
    make_rings(ring_size())?;
    READY.store(true, Ordering::Relaxed);
    Ok(())
}

fn make_rings(bytes: usize) -> Result<()> {
    for ring in &RINGS[..machine::cpu::count()] {
        if ring.lock_irq().size() != bytes {
            let new = Ring::with_size(bytes)?;
            let old = core::mem::replace(&mut *ring.lock_irq(), new);
            drop(old);
        }
    }
    Ok(())
}

/// Throws all records away.
pub fn clear() {
    for ring in &RINGS {
        ring.lock_irq().clear();
    }
}

/// Runs `body` on a CPU's ring, with interrupts off.
pub fn with_ring<R>(cpu: usize, body: impl FnOnce(&mut Ring) -> R) -> Option<R> {
    RINGS.get(cpu).map(|ring| body(&mut ring.lock_irq()))
}

/// How much has gone through all rings.
pub(crate) fn counts() -> Counts {
    RINGS[..machine::cpu::count()].iter().fold(Counts::default(), |sum, ring| {
        let one = ring.lock_irq().counts();
        Counts {
            entries: sum.entries + one.entries,
            overrun: sum.overrun + one.overrun,
            written: sum.written + one.written,
            read: sum.read + one.read,
        }
    })
}

/// The context that a record is made in.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    context: u32,
    irqs_off: bool,
}

/// This context. None: nothing is recorded here. A non-maskable interrupt may have interrupted the
/// very function that puts records into the ring.
pub(crate) fn here() -> Option<Place> {
    let context = machine::cpu::preempt_count();
    if !is_on() || context & machine::preempt::NMI_MASK != 0 {
        return None;
    }
    Some(Place { context, irqs_off: !machine::irq::enabled() })
}

/// Puts a record into this CPU's ring. Interrupts off.
pub(crate) fn append(id: u16, place: Place, payload: &[u8]) {
    if let Some(running) = RUNNING.get().map(|hook| hook()) {
        RINGS[machine::cpu::id()].lock_irq().push(&moment_of(id, place, running), payload);
    }
}

fn moment_of(id: u16, place: Place, running: Running) -> Moment {
    let (Place { context, irqs_off }, Running { pid, comm }) = (place, running);
    Moment { time: machine::time::now(), id, pid, comm, context, irqs_off }
}

/// What is true now, for a record that is not for the rings.
#[cfg(not(target_os = "none"))]
pub(crate) fn moment(id: u16) -> Option<Moment> {
    Some(moment_of(id, here()?, RUNNING.get()?()))
}

/// Notes a text (`trace_marker`). May sleep.
///
/// # Errors
/// ENOMEM: there are no rings. EBADF: tracing is off.
pub fn mark(text: &[u8]) -> Result<()> {
    require_rings()?;
    let place = here().ok_or(Errno::EBADF)?;
    let _irqs_off = sync::IrqGuard::new();
    append(MARK, place, text);
    Ok(())
}
