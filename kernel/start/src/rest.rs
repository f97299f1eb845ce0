//! The three ancestors.

use alloc::boxed::Box;

use process::{CloneFlags, KernelThread};
use sched::Completion;
use sync::Once;

use crate::{leap, reaper};

/// What PID 1 does when the threads' machinery works. Its return value is its exit status.
pub type Init = fn() -> i32;

/// PID 2 is there and can be asked for threads.
static KTHREADD_DONE: Completion = Completion::new();
static INIT: Once<Init> = Once::new();

/// Makes PID 1 and PID 2 and turns into PID 0. On the boot CPU, after [`early`](fn@crate::early).
///
/// PID 1 comes first so that it gets that number, and waits: it must not ask for threads before PID 2 is known.
///
/// # Panics
/// If there is no memory for two threads.
pub fn rest_init(init: Init) -> ! {
    let fresh = INIT.set(init).is_ok();
    assert!(fresh, "the kernel starts once");
    // When the command line has been read, and before a task can end.
    workqueue::early_init();
    reaper::prepare();
    leap::prepare();
    let first = process::kernel_thread(KernelThread {
        name: b"swapper/0",
        node: None,
        flags: CloneFlags::FS,
        function: Box::new(kernel_init),
    });
    expect_pid(first.map(|task| task.pid()), 1);
    let second = process::kernel_thread(KernelThread {
        name: b"kthreadd",
        node: None,
        flags: CloneFlags::FS | CloneFlags::FILES,
        function: Box::new(kthread::kthreadd),
    });
    expect_pid(second.map(|task| task.pid()), 2);
    let found = process::find_task(2);
    assert!(found.is_some(), "kthreadd is not in the initial PID namespace");
    drop(found);
    KTHREADD_DONE.complete_all();
    sched::idle_loop()
}

fn expect_pid(made: Result<u32, errno::Errno>, wanted: u32) {
    match made {
        Ok(pid) if pid == wanted => {}
        Ok(pid) => panic!("the kernel's thread {wanted} got PID {pid}"),
        Err(error) => panic!("the kernel's thread {wanted} could not be made: {error}"),
    }
}

/// The threads that the others rely on.
fn own_threads() -> Result<(), errno::Errno> {
    hotplug::init()?;
    ksoftirqd::start()?;
    workqueue::init()
}

/// PID 1.
fn kernel_init() -> i32 {
    KTHREADD_DONE.wait();
    let me = sched::current();
    process::set_comm(&me, b"kernel_init");
    // Until it executes the init program, the freezer would wait for it in vain.
    me.add_flags(sched::TaskFlags::NOFREEZE);
    if let Err(error) = own_threads() {
        kthread::oops::panic(format_args!("the kernel's own threads could not be made: {error}"));
    }
    let init = INIT.get().expect("rest_init sets it before it makes PID 1");
    init()
}
