//! Failures on purpose, from which no scenario could come back. Tests ask for them when they boot (`heddle.crash=`), and from
//! user land through `/sys/kernel/debug/provoke-crash/DIRECT`, with the names that Linux's `lkdtm` has for them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use kernfs::{Attribute, Text};
use kthread::Builder;
use sched::Completion;
use sync::{IrqGuard, Once, PreemptGuard};
use workqueue::{Work, WorkQueue, WqFlags, alloc_workqueue};

/// A way to fail: its name, and what it does to the task that asks for it.
const WAYS: [(&str, fn()); 11] = [
    ("PANIC", || kthread::oops::panic(format_args!("dumptest"))),
    ("BUG", || panic!("a task asked for this")),
    ("WARNING", || kthread::warn::warn(format_args!(""))),
    ("WARNING_MESSAGE", warn_with_number),
    ("EXHAUST_STACK", || _ = black_box(deeper(0))),
    ("SOFTLOCKUP", spin_unpreempted),
    ("HARDLOCKUP", spin_uninterrupted),
    ("HUNG_TASK", || Completion::new().wait()),
    ("BLOCKED_WORK", block_workers),
    ("WORKQUEUE_LOCKUP", hog_a_pool),
    ("WORKQUEUE_ACTIVE", count_active_items),
];

/// Has a thread of the name `crash` fail in this way.
pub(crate) fn run(way: &str) {
    let failure = match way {
        "stack-overflow" => || i32::from(deeper(0) == 0),
        _ => {
            log::error!("heddle: no such failure: {way}");
            machine::power::exit(2);
        }
    };
    match Builder::new(format_args!("crash")).run(move |_| failure()) {
        Ok(thread) => log::error!("the thread survived: {:?}", thread.join()),
        Err(error) => log::error!("no thread to fail: {error}"),
    }
}

/// Queues with attributes to set: per-CPU and unbound.
static QUEUES: Once<[WorkQueue; 2]> = Once::new();

/// Makes the file, and two queues that are shown. May sleep.
///
/// # Errors
/// EEXIST: it is there. ENOMEM.
pub(crate) fn register() -> Result<()> {
    let bound = alloc_workqueue(format_args!("lkdtm"), WqFlags::SYSFS, 0)?;
    let flags = WqFlags::SYSFS | WqFlags::UNBOUND | WqFlags::HIGHPRI;
    let unbound = alloc_workqueue(format_args!("lkdtm_unbound"), flags, 7)?;
    // The start registers once.
    let _ = QUEUES.set([bound, unbound]);
    let directory = sysfs::root().subdirectory("kernel/debug/provoke-crash")?;
    directory.add_file("DIRECT", Attribute::shown(list).store(provoke))
}

fn list(text: &mut Text) -> Result<()> {
    WAYS.iter().try_for_each(|(name, _)| Ok(writeln!(text, "{name}")?))
}

fn provoke(bytes: &[u8]) -> Result<()> {
    let wanted = bytes.trim_ascii();
    let (name, fail) =
        WAYS.iter().find(|(name, _)| name.as_bytes() == wanted).ok_or(Errno::EINVAL)?;
    log::info!("lkdtm: Performing direct entry {name}");
    fail();
    Ok(())
}

fn warn_with_number() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    kthread::warn::warn(format_args!("Warning message trigger count: {number}"));
}

fn spin_unpreempted() {
    let _here = PreemptGuard::new();
    loop {
        machine::cpu::relax();
    }
}

fn spin_uninterrupted() {
    let _here = IrqGuard::new();
    loop {
        machine::cpu::relax();
    }
}

/// So many items of work that sleep, on CPU 0, all at once.
const BLOCKED: usize = 8;
/// For so long.
const BLOCKED_FOR: u64 = 4 * time::SECOND;

/// Gives CPU 0 items of work that sleep: as many workers are made, and go again.
fn block_workers() {
    for _ in 0..BLOCKED {
        let sleep = Work::from_fn("sleep", |_| sched::sleep_for(BLOCKED_FOR));
        workqueue::system_wq().queue_on(0, &sleep);
    }
}

/// Says how many of so many items of the queue `lkdtm` are active at once on CPU 0.
fn count_active_items() {
    let Some([queue, _]) = QUEUES.get() else { return };
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let items: Vec<_> = (0..BLOCKED)
        .map(|_| {
            let (inside, most) = (inside.clone(), most.clone());
            Work::from_fn("active", move |_| {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sched::sleep_for(50 * time::MILLISECOND);
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    items.iter().for_each(|item| _ = queue.queue_on(0, item));
    queue.flush();
    log::info!("lkdtm: {} of {BLOCKED} items were active at once", most.load(Ordering::SeqCst));
}

/// Keeps a worker of CPU 0 busy, with another item behind it, until the detector of stalls has said so.
fn hog_a_pool() {
    let before = workqueue::watchdog::reports();
    let hog = Work::from_fn("hog", move |_| {
        while workqueue::watchdog::reports() == before {
            machine::cpu::relax();
        }
    });
    workqueue::system_wq().queue_on(0, &hog);
    workqueue::system_wq().queue_on(0, &Work::from_fn("behind", |_| ()));
}

/// Calls itself until the stack is used up.
#[expect(unconditional_recursion, reason = "this is how a stack is used up")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    deeper(depth + 1) + black_box(frame)[0]
}
