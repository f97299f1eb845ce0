//! Kernel stacks, kept ready per CPU: making one means mapping it, using one again does not.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

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

/// Stacks that no CPU has room for, until [`trim`] unmaps them: that cannot be done with interrupts off. There is room for every stack
/// that is mapped, so that putting one here takes no memory.
static SPARE: SpinLock<Vec<Stack>> = SpinLock::new(&SPARE_LOCK, Vec::new());
/// Stacks that are mapped, or about to be.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

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
        None => map(node),
    }
}

fn map(node: NodeId) -> Result<Stack, Errno> {
    let mapped = MAPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let stack = make_room(mapped).and_then(|()| Stack::new(node).map_err(|_| Errno::ENOMEM));
    stack.inspect_err(|_| {
        MAPPED.fetch_sub(1, Ordering::Relaxed);
    })
}

/// Makes room for so many spare stacks. May sleep.
fn make_room(stacks: usize) -> Result<(), Errno> {
    if SPARE.lock_irq().capacity() >= stacks {
        return Ok(());
    }
    let mut roomier = Vec::new();
    roomier.try_reserve_exact(stacks.next_power_of_two().max(64)).map_err(|_| Errno::ENOMEM)?;
    let mut spare = SPARE.lock_irq();
    // Another CPU may have been faster, and have had more in mind.
    if spare.capacity() < roomier.capacity() {
        roomier.append(&mut spare);
        core::mem::swap(&mut *spare, &mut roomier);
    }
    drop(spare);
    drop(roomier);
    Ok(())
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
    loop {
        let stack = SPARE.lock_irq().pop();
        if stack.is_none() {
            return;
        }
        drop(stack);
        MAPPED.fetch_sub(1, Ordering::Relaxed);
    }
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
