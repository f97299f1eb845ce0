//! Kernel stacks, kept ready per CPU: making one means mapping it, using one again does not.

use alloc::vec::Vec;

use errno::Errno;
use fault::Point;
use machine::NodeId;
use machine::thread::{Context, Stack};
use sync::{LocalCell, LockClass, PerCpu, SpinLock, per_cpu};

/// How many stacks a CPU keeps.
const KEPT: usize = 8;

/// Taken with interrupts off; takes nothing.
static SPARE_LOCK: LockClass = LockClass::new("stack_cache.spare");

struct Cache {
    stacks: [Option<Stack>; KEPT],
    count: usize,
}

static CACHES: PerCpu<LocalCell<Cache>> =
    per_cpu!(LocalCell::new(Cache { stacks: [const { None }; KEPT], count: 0 }));

/// Stacks that no CPU has room for, until [`trim`] unmaps them: that cannot be done with interrupts off.
static SPARE: SpinLock<Vec<Stack>> = SpinLock::new(&SPARE_LOCK, Vec::new());

/// A stack whose memory is on the node. May sleep.
///
/// # Errors
/// ENOMEM.
pub(crate) fn allocate(node: NodeId) -> Result<Stack, Errno> {
    if fault::should_fail(Point::KernelStack) {
        return Err(Errno::ENOMEM);
    }
    let cached = CACHES.with(|cache| {
        let last = cache.count.checked_sub(1)?;
        if cache.stacks[last].as_ref()?.node() != node {
            return None;
        }
        cache.count = last;
        cache.stacks[last].take()
    });
    match cached {
        Some(stack) => Ok(stack),
        None => Stack::new(node).map_err(|_| Errno::ENOMEM),
    }
}

/// Takes a dead task's stack. Any context.
pub(crate) fn recycle(context: Context) {
    let Some(stack) = context.into_stack() else { return };
    let excess = CACHES.with(|cache| {
        if cache.count == KEPT {
            return Some(stack);
        }
        cache.stacks[cache.count] = Some(stack);
        cache.count += 1;
        None
    });
    if let Some(stack) = excess {
        SPARE.lock_irq().push(stack);
    }
}

/// Whether there are stacks for [`trim`] to unmap. Any context.
pub fn has_spare() -> bool {
    !SPARE.lock_irq().is_empty()
}

/// Unmaps the stacks that no CPU keeps. May sleep.
pub fn trim() {
    let spare = core::mem::take(&mut *SPARE.lock_irq());
    drop(spare);
}

/// Gives this CPU's stacks up for unmapping: for a CPU that goes offline. Any context.
pub fn drain_this_cpu() {
    loop {
        let stack = CACHES.with(|cache| {
            cache.count = cache.count.checked_sub(1)?;
            cache.stacks[cache.count].take()
        });
        match stack {
            Some(stack) => SPARE.lock_irq().push(stack),
            None => return,
        }
    }
}
