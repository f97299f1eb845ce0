//! What the [`fixture`] has no part in, as it names nothing above processes: a kernel with kernel threads and work, and
//! what a program sees of devtmpfs.
#![forbid(unsafe_code)]

mod devtmpfs;

use contract::Upcalls;
use kthread::{Exit, Handle, This};
use workqueue::{Running, Work};

pub use devtmpfs::World;

/// What gives back the stacks of threads that have ended.
static REAP: sync::Once<Work<fn(&Running<'_>)>> = sync::Once::new();

/// Boots as [`fixture::processes::boot`] does, with kthreadd as PID 2, and with workqueues before `test` begins.
///
/// # Panics
/// If there is no memory for that.
pub fn boot(upcalls: &'static Upcalls, test: impl FnOnce() + Send + 'static) -> ! {
    fixture::processes::boot(upcalls, kthread::kthreadd, move || {
        kthread::reaper::install(|| {
            if let Some(reap) = REAP.get() {
                workqueue::schedule_work(reap);
            }
        });
        workqueue::early_init();
        workqueue::init().unwrap();
        let reap: fn(&Running<'_>) = |_| kthread::reaper::reap();
        assert!(REAP.set(Work::from_fn("reap", reap)).is_ok());
        test();
    })
}

/// Starts a thread of the kernel.
///
/// # Panics
/// If there is no memory for it.
pub fn spawn(body: impl FnOnce() + Send + 'static) -> Handle {
    let run = move |_: &This| {
        body();
        0
    };
    kthread::Builder::new(format_args!("test")).run(run).unwrap()
}

/// Waits for a thread that must not have failed.
///
/// # Panics
/// If it has.
pub fn join(thread: Handle) {
    assert_eq!(thread.join(), Exit::Returned(0));
}
