//! PID 2: the daemon that makes every other kernel thread.
//!
//! That one clean task makes them all means that a thread inherits nothing from whoever happened to ask for it: no
//! files, no signals, no address space, no affinity.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use errno::Errno;
use process::KernelThread;
use sched::{CpuMask, Sleep, Slot, TaskFlags, TaskRef, WaitQueue, current_ref, state};
use sync::{LockClass, SpinLock};

use crate::builder::{Builder, Function};
use crate::request::Request;
use crate::this::This;
use crate::thread::{End, Record, STARTED, STOP, mask_of};

/// `kthread_create_lock`: held to add or take a request; dropped while a thread is being made.
static LIST_LOCK: LockClass = LockClass::new("kthread_create_lock");

/// `kthread_create_list`.
static REQUESTS: SpinLock<VecDeque<Arc<Request>>> = SpinLock::new(&LIST_LOCK, VecDeque::new());

/// Where kthreadd sleeps while the list is empty.
static WAKE: WaitQueue = WaitQueue::new();

static READY: AtomicBool = AtomicBool::new(false);

/// Puts a request on the list and wakes kthreadd.
pub(crate) fn submit(request: Arc<Request>) {
    REQUESTS.lock().push_back(request);
    WAKE.wake_one();
}

/// Whether kthreadd has begun its work.
pub fn is_ready() -> bool {
    READY.load(Ordering::Acquire)
}

/// How many requests wait on the list; for tests and reports.
pub fn requests_waiting() -> usize {
    REQUESTS.lock().len()
}

/// The life of PID 2. Never returns: it cannot be stopped, killed or frozen.
pub fn kthreadd() -> i32 {
    let me = current_ref();
    me.set_comm(b"kthreadd");
    me.add_flags(TaskFlags::KTHREAD | TaskFlags::NOFREEZE);
    if let Err(error) = sched::set_allowed(&me, sched::housekeeping()) {
        log::warn!("kthreadd: stays on its first CPU: {error}");
    }
    READY.store(true, Ordering::Release);
    loop {
        // Interruptible, though no signal reaches it: idle, it must not count in the load average.
        let woken = WAKE
            .wait_map(Sleep::Interruptible, None, || (!REQUESTS.lock().is_empty()).then_some(()));
        if woken.is_err() {
            continue;
        }
        while let Some(request) = take_request() {
            make(&request);
        }
    }
}

fn take_request() -> Option<Arc<Request>> {
    REQUESTS.lock().pop_front()
}

/// Makes one thread, or tells its creator why not.
fn make(request: &Arc<Request>) {
    let Some((builder, function)) = request.take_order() else {
        return;
    };
    let name = builder.name.as_bytes();
    let mut comm = [0; sched::COMM_LENGTH];
    let length = name.len().min(comm.len());
    comm[..length].copy_from_slice(&name[..length]);
    let node = builder.node;
    let for_newborn = request.clone();
    let made = process::kernel_thread(KernelThread {
        name: &comm[..length],
        node,
        flags: process::CloneFlags::FS | process::CloneFlags::FILES,
        function: move || newborn(for_newborn, builder, function),
    });
    if let Err(error) = made {
        request.answer(Err(error));
    }
}

/// The newborn's first steps: reports itself in, sleeps until it is woken, and does what it was made for.
fn newborn(request: Arc<Request>, builder: Builder, function: Function) -> i32 {
    if !report_in(request, builder) {
        finish(End::NeverRan, 0);
        return Errno::EINTR.as_return() as i32;
    }
    // Nothing that is counted is on this stack from here on: should the function panic, it would never be given back.
    let this = This::new();
    wait_for_first_wake(this.record());
    if this.should_stop() {
        finish(End::NeverRan, 0);
        return Errno::EINTR.as_return() as i32;
    }
    // It may have been woken before it slept: then it is still where kthreadd left it.
    sched::settle();
    this.park_if_asked();
    let result = function(&this);
    finish(End::Returned, result);
    result
}

fn finish(end: End, result: i32) {
    This::new().record().finish(end, result);
}

/// Makes the thread's record and answers the creator. Returns whether there is still one: if not, nobody else knows of this thread.
fn report_in(request: Arc<Request>, builder: Builder) -> bool {
    let me = current_ref();
    let record = Arc::new(Record::new(builder.name, builder.cpu));
    me.attach(Slot::Kthread, record.clone());
    prepare(&me, builder.mask, builder.fixed_affinity, builder.freezable, builder.cpu);
    if let Err(error) = sched::set_attributes(&me, builder.attributes) {
        request.answer(Err(error));
        return false;
    }
    request.answer(Ok((me, record)))
}

fn prepare(
    me: &TaskRef,
    mask: Option<CpuMask>,
    fixed_affinity: bool,
    freezable: bool,
    cpu: Option<machine::CpuId>,
) {
    let mut flags = TaskFlags::empty();
    if fixed_affinity {
        flags |= TaskFlags::NO_SETAFFINITY;
    }
    if !freezable {
        flags |= TaskFlags::NOFREEZE;
    }
    me.add_flags(flags);
    if freezable {
        me.remove_flags(TaskFlags::NOFREEZE);
    }
    // Takes effect when it is woken: it sleeps before it does anything.
    sched::bind_sleeping(me, mask.unwrap_or_else(|| mask_of(cpu)));
}

/// Sleeps, uninterruptibly and without a say in the load average, until the holder wakes or stops the thread.
fn wait_for_first_wake(record: &Record) {
    loop {
        sched::set_current_state(state::UNINTERRUPTIBLE | state::NOLOAD);
        if record.has(STARTED | STOP) {
            break;
        }
        sched::schedule();
    }
    sched::set_current_running();
}
