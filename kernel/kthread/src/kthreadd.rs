//! PID 2: the daemon that makes every other kernel thread.
//!
//! That one clean task makes them all means that a thread inherits nothing from whoever happened to ask for it: no
//! files, no signals, no address space, no affinity.

use alloc::sync::Arc;

use errno::Errno;
use machine::CpuId;
use process::{KernelThread, NewTask};
use sched::{Sleep, Slot, TaskFlags, TaskRef, current_ref, state};
use sync::{List, LockClass, Once, SpinLock};

use crate::request::{Order, Wish};
use crate::this::This;
use crate::thread::{End, PARK, Record, STARTED, STOP, mask_of};

/// `kthread_create_lock`: held to add or take a request; dropped while a thread is being made.
static LIST_LOCK: LockClass = LockClass::new("kthread_create_lock");

/// `kthread_create_list`.
static REQUESTS: SpinLock<List<Record>> = SpinLock::new(&LIST_LOCK, List::new());

/// PID 2, once it has begun its work.
static KTHREADD: Once<TaskRef> = Once::new();

/// Puts a request on the list. Returns kthreadd, to be woken; if it has not begun yet, it looks at the list when it does.
#[must_use]
pub(crate) fn submit(record: Arc<Record>) -> Option<TaskRef> {
    let added = REQUESTS.lock().push_back(record);
    debug_assert!(added.is_ok(), "a request is made for one turn on the list");
    KTHREADD.get().cloned()
}

/// Whether kthreadd has begun its work.
pub fn is_ready() -> bool {
    KTHREADD.get().is_some()
}

/// How many requests wait on the list; for tests and reports.
pub fn requests_waiting() -> usize {
    REQUESTS.lock().iter().count()
}

/// The life of PID 2. Never returns: it cannot be stopped, killed or frozen.
pub fn kthreadd() -> i32 {
    let me = current_ref();
    me.set_comm(b"kthreadd");
    // What it makes inherits its control group, the root, and the mark that keeps it there.
    me.add_flags(TaskFlags::KTHREAD | TaskFlags::NOFREEZE | TaskFlags::NO_CGROUP_MIGRATION);
    if let Err(error) = sched::set_allowed(&me, sched::housekeeping()) {
        log::warn!("kthreadd: stays on its first CPU: {error}");
    }
    let fresh = KTHREADD.set(me).is_ok();
    assert!(fresh, "there is one kthreadd");
    let mut newborn = None;
    loop {
        // Interruptible, though no signal reaches it: idle, it must not count in the load average.
        let sleep = Sleep::Interruptible;
        let request = match newborn.take() {
            Some(newborn) => NewTask::wake_and_wait(newborn, sleep, take_request),
            None => sched::wait_to_be_woken(sleep, None, take_request),
        };
        newborn = request.ok().and_then(make);
    }
}

fn take_request() -> Option<Arc<Record>> {
    REQUESTS.lock().pop_front()
}

/// Makes one thread, which is to be woken, or tells its creator why not.
fn make(record: Arc<Record>) -> Option<NewTask> {
    if record.request.is_abandoned() {
        return None;
    }
    let made = process::new_kernel_thread(KernelThread {
        name: record.name(),
        node: record.request.wish.node,
        flags: process::CloneFlags::FS | process::CloneFlags::FILES,
        function: newborn,
    });
    match made {
        Ok(new) => {
            new.task().attach_shared(Slot::Kthread, record);
            Some(new)
        }
        Err(error) => {
            record.request.refuse(error);
            None
        }
    }
}

/// The newborn's first steps: reports itself in, sleeps until it is woken, and does what it was made for.
fn newborn() -> i32 {
    let this = This::new();
    let record = this.record();
    let Some(Order { function, creator }) = report_in(&this, record) else {
        return never_ran(record);
    };
    // Nothing that is counted is on this stack from here on: should the function panic, it would never be given back.
    wait_for_first_wake(record, creator);
    if record.has(STOP) {
        return never_ran(record);
    }
    // It may have been woken before it slept: then it is still where kthreadd left it.
    sched::settle();
    process::kthread_ready();
    if record.has(PARK) {
        this.parkme();
    }
    // Stopped in its parking place, it has not begun either.
    if record.has(STOP) {
        return never_ran(record);
    }
    let result = function(&this);
    record.finish(End::Returned, result);
    result
}

fn never_ran(record: &Record) -> i32 {
    record.finish(End::NeverRan, 0);
    Errno::EINTR.as_return() as i32
}

/// Answers the creator, who is still to be woken. Returns what it wants done, if there is still a creator: if not, nobody else knows of this
/// thread.
fn report_in(this: &This, record: &Record) -> Option<Order> {
    let me = this.task_ref();
    let request = &record.request;
    prepare(&me, record.cpu, &request.wish);
    if let Err(error) = sched::set_attributes(&me, request.wish.attributes) {
        request.refuse(error);
        return None;
    }
    request.report(me)
}

fn prepare(me: &TaskRef, cpu: Option<CpuId>, wish: &Wish) {
    let mut flags = TaskFlags::empty();
    if wish.fixed_affinity {
        flags |= TaskFlags::NO_SETAFFINITY;
    }
    if wish.freezable {
        me.remove_flags(TaskFlags::NOFREEZE);
    } else {
        flags |= TaskFlags::NOFREEZE;
    }
    me.add_flags(flags);
    // Takes effect when it is woken: it sleeps before it does anything.
    sched::bind_sleeping(me, wish.mask.unwrap_or_else(|| mask_of(cpu)));
}

/// Wakes the creator and sleeps, uninterruptibly and without a say in the load average, until the holder wakes or stops the thread.
fn wait_for_first_wake(record: &Record, creator: TaskRef) {
    let woken = || record.has(STARTED | STOP).then_some(());
    let waited = sched::wake_and_wait(creator, state::NORMAL, Sleep::Idle, woken);
    debug_assert!(waited.is_ok(), "nothing ends an uninterruptible wait early");
}
