//! What other subsystems do when a CPU comes or goes, and `cpuhp/N`, which does it there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::Errno;
use kthread::smpboot::PerCpuThread;
use machine::CpuId;
use sched::{Attributes, Completion, Mutex};
use sync::{LockClass, PerCpu, SpinLock, per_cpu};
use trace::{CPUHP_ENTER, CPUHP_EXIT, CpuhpEnter, CpuhpExit, Symbol};

/// Inside the hotplug lock.
static CALLBACKS_LOCK: LockClass = LockClass::new("hotplug_callbacks");
/// Leaf.
static ORDER_LOCK: LockClass = LockClass::new("cpuhp_order");

/// A subsystem's part in a CPU's coming and going. Both functions run in `cpuhp/N`, on the CPU, and may sleep.
pub struct Callback {
    /// For the log.
    pub name: &'static str,
    /// The CPU is there. An error ends its coming.
    pub online: fn(CpuId) -> Result<(), Errno>,
    /// The CPU is about to go.
    pub offline: fn(CpuId),
}

static CALLBACKS: Mutex<Vec<&'static Callback>> = Mutex::new(&CALLBACKS_LOCK, Vec::new());

/// Adds a subsystem. CPUs that are online already are not told. May sleep.
pub fn register_callback(callback: &'static Callback) {
    CALLBACKS.lock().push(callback);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

struct Order {
    direction: Direction,
    done: Arc<Completion>,
    outcome: Arc<SpinLock<Result<(), Errno>>>,
}

static ORDERS: PerCpu<SpinLock<Option<Order>>> = per_cpu!(SpinLock::new(&ORDER_LOCK, None));

/// `cpuhp/N`.
pub(crate) static CPUHP: PerCpuThread = PerCpuThread {
    name: "cpuhp",
    attributes: Attributes::NORMAL,
    should_run: |cpu| ORDERS.of(cpu).lock_irq().is_some(),
    work,
    online: |_| {},
    offline: |_| {},
    created: |_, _| {},
    kept_apart: false,
};

fn work(cpu: CpuId) {
    let Some(order) = ORDERS.of(cpu).lock_irq().take() else { return };
    let outcome = match order.direction {
        Direction::Up => all_online(cpu),
        Direction::Down => {
            leave_all(cpu, &CALLBACKS.lock());
            Ok(())
        }
    };
    *order.outcome.lock_irq() = outcome;
    order.done.complete();
}

fn all_online(cpu: CpuId) -> Result<(), Errno> {
    let callbacks = CALLBACKS.lock();
    for (done, callback) in callbacks.iter().enumerate() {
        let come = || (callback.online)(cpu);
        if let Err(error) = step(cpu, done + 1, callbacks.len(), callback, come) {
            log::error!("CPU{cpu}: {} failed: {error}", callback.name);
            leave_all(cpu, &callbacks[..done]);
            return Err(error);
        }
    }
    Ok(())
}

fn leave_all(cpu: CpuId, callbacks: &[&Callback]) {
    for (before, callback) in callbacks.iter().enumerate().rev() {
        let leave = || {
            (callback.offline)(cpu);
            Ok(())
        };
        // Leaving does not fail.
        let _ = step(cpu, before + 1, 0, callback, leave);
    }
}

/// A subsystem's part, as trace events show it: steps count the subsystems from 1, and a CPU that is gone is at 0.
fn step(
    cpu: CpuId,
    number: usize,
    target: usize,
    callback: &Callback,
    body: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let (cpu, idx, target) = (cpu as u32, number as i32, target as i32);
    CPUHP_ENTER.record(|| CpuhpEnter { cpu, target, idx, fun: Symbol::of(callback.name) });
    let outcome = body();
    CPUHP_EXIT.record(|| CpuhpExit {
        cpu,
        state: if target == 0 { idx - 1 } else { idx },
        idx,
        ret: outcome.map_or_else(|error| error.as_return() as i32, |()| 0),
    });
    outcome
}

fn order(cpu: CpuId, direction: Direction) -> Result<(), Errno> {
    let done = Arc::new(Completion::new());
    let outcome = Arc::new(SpinLock::new(&ORDER_LOCK, Ok(())));
    *ORDERS.of(cpu).lock_irq() =
        Some(Order { direction, done: done.clone(), outcome: outcome.clone() });
    kthread::smpboot::wake(cpu);
    done.wait();
    *outcome.lock_irq()
}

/// Runs the callbacks for a CPU that has come, on it.
pub(crate) fn run_online(cpu: CpuId) -> Result<(), Errno> {
    order(cpu, Direction::Up)
}

/// Runs the callbacks for a CPU that will go, on it.
pub(crate) fn run_offline(cpu: CpuId) {
    // Going is not refused.
    let _ = order(cpu, Direction::Down);
}
