//! Address spaces and lazy TLB.
//!
//! A CPU has one address space loaded. A task with one of its own gets it loaded when it runs; a kernel thread
//! runs on whatever is there: it *borrows* it (Linux's `active_mm`). The CPU keeps a reference to what it has loaded, so an address space
//! outlives its last user for as long as a CPU borrows it, and goes when the last such CPU loads another. Nothing uses the
//! translations of what is borrowed, so no flush interrupts a CPU that borrows; it looks whether something has changed when it
//! stops.
//!
//! | before | after | switch |
//! |---|---|---|
//! | user A, kernel thread | user A | none: A never left |
//! | user A, kernel thread | user B | one, at B |

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use machine::memory::AddressSpace;
use sync::{IrqGuard, LocalCell, PerCpu, per_cpu};

use crate::current::current;
use crate::runqueue::{RUN_QUEUES, Shared};
use crate::task::Task;

/// What each CPU has loaded.
static LOADED: PerCpu<LocalCell<Option<Arc<AddressSpace>>>> = per_cpu!(LocalCell::new(None));

struct Counts {
    switches: AtomicU64,
    spared: AtomicU64,
}

static COUNTS: PerCpu<Counts> =
    per_cpu!(Counts { switches: AtomicU64::new(0), spared: AtomicU64::new(0) });

/// Counters of address-space switches, over all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceCounters {
    /// Another address space was loaded.
    pub switches: u64,
    /// A kernel thread began to run on a borrowed address space.
    pub borrows: u64,
    /// A task found its address space still loaded.
    pub spared: u64,
}

/// The counters of address-space switches since boot.
pub fn address_space_counters() -> SpaceCounters {
    let mut sum = SpaceCounters::default();
    sum.borrows = RUN_QUEUES.iter().map(|shared| shared.borrows.load(Relaxed)).sum();
    for counts in COUNTS.iter() {
        sum.switches += counts.switches.load(Relaxed);
        sum.spared += counts.spared.load(Relaxed);
    }
    sum
}

fn count(counter: &AtomicU64) {
    // This CPU's own, with interrupts off.
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Loads what `next` runs on. `shared`: this CPU's. Interrupts off.
#[inline]
pub(crate) fn switch_to(next: &Task, shared: &Shared) {
    match next.address_space() {
        None => {
            machine::memory::borrow();
            count(&shared.borrows);
        }
        Some(space) => load(space),
    }
}

fn load(space: Arc<AddressSpace>) {
    let old = LOADED.with(|loaded| {
        if loaded.as_ref().is_some_and(|loaded| Arc::ptr_eq(loaded, &space)) {
            // What has been unmapped while it was borrowed is forgotten.
            space.load();
            count(&COUNTS.this().spared);
            return None;
        }
        space.load();
        count(&COUNTS.this().switches);
        loaded.replace(space)
    });
    // Perhaps the last reference to a space that this CPU was the last to borrow.
    drop(old);
}

/// Changes the running task's address space: a program is executed, a kernel thread takes one on (`use_mm`) or
/// gives it back (`None`), a task ends (`None`). What was loaded stays loaded, borrowed, after `None`.
pub fn use_address_space(space: Option<Arc<AddressSpace>>) {
    let _irqs_off = IrqGuard::new();
    let me = current();
    me.set_address_space(space.clone());
    match space {
        Some(space) => load(space),
        None => machine::memory::borrow(),
    }
}

/// Gives back what this CPU borrows: for a CPU that goes offline. Interrupts off, in a task without an address space.
pub fn drop_lazy_space() {
    let old = LOADED.with(|loaded| {
        machine::memory::load_kernel_only();
        loaded.take()
    });
    drop(old);
}
