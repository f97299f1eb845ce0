//! Kernel stacks, kept ready: making one means mapping it, and unmapping it means interrupting every CPU; using one again is free.
//!
//! Each CPU keeps some. Where tasks are made on one CPU and end on others, those have too many and that one too few: what
//! a full CPU has no room for is there for all, up to a number, and the rest is unmapped.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use errno::Errno;
use fault::Point;
use machine::NodeId;
use machine::thread::Stack;
use sync::{LocalCell, LockClass, PerCpu, SpinLock, per_cpu};

/// How many stacks a CPU keeps.
const KEPT: usize = 8;
/// How many are kept for all besides.
const KEPT_FOR_ALL: usize = 8;

/// Taken with interrupts off; takes nothing.
static SPARE_LOCK: LockClass = LockClass::new("stack_cache.spare");

struct Cache {
    stacks: [Option<Stack>; KEPT],
    count: usize,
}

static CACHES: PerCpu<LocalCell<Cache>> =
    per_cpu!(LocalCell::new(Cache { stacks: [const { None }; KEPT], count: 0 }));

/// Stacks that no CPU has room for, until a CPU that has none takes them, or [`trim`] unmaps them: that cannot be done with interrupts
/// off. There is room for every stack that is mapped, so that putting one here takes no memory.
static SPARE: SpinLock<Vec<Stack>> = SpinLock::new(&SPARE_LOCK, Vec::new());
/// Stacks that are mapped, or about to be.
static MAPPED: AtomicUsize = AtomicUsize::new(0);
/// How many have been mapped since the kernel started.
static MAPS: AtomicU64 = AtomicU64::new(0);

/// How many stacks have been mapped since the kernel started: how often none was kept that could be used again. Any context.
pub fn maps() -> u64 {
    MAPS.load(Ordering::Relaxed)
}

/// A stack whose memory is on the node. May sleep.
///
/// # Errors
/// ENOMEM.
#[inline]
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
    match cached.or_else(|| take_spare(node)) {
        Some(stack) => Ok(stack),
        None => map(node),
    }
}

/// One of those that are there for all.
fn take_spare(node: NodeId) -> Option<Stack> {
    let mut spare = SPARE.lock_irq();
    let at = spare.iter().rposition(|stack| stack.node() == node)?;
    Some(spare.swap_remove(at))
}

#[inline(never)]
fn map(node: NodeId) -> Result<Stack, Errno> {
    let mapped = MAPPED.fetch_add(1, Ordering::Relaxed) + 1;
    MAPS.fetch_add(1, Ordering::Relaxed);
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
pub(crate) fn recycle(stack: Stack) {
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

/// Whether there are more stacks than are kept, for [`trim`] to unmap. Any context.
pub fn has_excess() -> bool {
    SPARE.lock_irq().len() > KEPT_FOR_ALL
}

/// Unmaps the stacks that are not kept. May sleep.
pub fn trim() {
    while let Some(stack) = take_excess() {
        drop(stack);
        MAPPED.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take_excess() -> Option<Stack> {
    let mut spare = SPARE.lock_irq();
    if spare.len() > KEPT_FOR_ALL { spare.pop() } else { None }
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
