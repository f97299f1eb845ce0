//! The raw kernel threads.

use std::sync::Arc;

use errno::Errno;
use fault::{Plan, Point, When};
use process::{CloneFlags, KernelThread, Signal, kernel_thread};
use sched::{Completion, Sleep, TaskRef, WaitQueue};

use crate::harness::{Flag, once, over_seeds};

fn spawn(function: impl FnOnce() -> i32 + Send + 'static) -> TaskRef {
    try_spawn(function).unwrap()
}

fn try_spawn(function: impl FnOnce() -> i32 + Send + 'static) -> errno::Result<TaskRef> {
    let flags = CloneFlags::FS | CloneFlags::FILES;
    kernel_thread(KernelThread { name: b"thread", node: None, flags, function })
}

/// A creator that does not care for its children: as kthreadd.
fn in_kernel_thread(body: impl FnOnce() + Send + 'static) {
    let done = Arc::new(Completion::new());
    let ended = done.clone();
    let thread = spawn(move || {
        body();
        ended.complete();
        0
    });
    done.wait();
    drop(thread);
    // PID 1 is a user process here, and has to wait for it.
    crate::harness::wait_for_end();
}

#[test]
fn b04_kernel_threads_of_kernel_threads_leave_nothing() {
    over_seeds(50, 3, || {
        in_kernel_thread(|| {
            let ran = Flag::default();
            for _ in 0..20 {
                let ran = ran.clone();
                let thread = spawn(move || {
                    ran.raise();
                    0
                });
                assert!(thread.is_kthread());
                assert!(thread.address_space().is_none());
            }
            ran.wait_for(20);
            while process::live_pids() > 3 {
                sched::sleep_for(10 * time::MICROSECOND);
            }
        });
    });
}

#[test]
fn k08_every_failure_leaves_nothing() {
    once(|| {
        in_kernel_thread(|| {
            for (point, error) in [
                (Point::Pid, Errno::EAGAIN),
                (Point::Task, Errno::ENOMEM),
                (Point::KernelStack, Errno::ENOMEM),
            ] {
                fault::arm(Plan { point: Some(point), when: When::Nth(1) });
                let before = process::live_pids();
                let made = try_spawn(|| panic!("a thread that could not be made runs"));
                assert_eq!(made.err(), Some(error), "{point:?}");
                assert_eq!(process::live_pids(), before);
                assert_eq!(fault::disarm().failed, 1);
            }
        });
    });
}

#[test]
fn k09_signals_are_ignored_until_allowed() {
    over_seeds(50, 2, || {
        in_kernel_thread(|| {
            let me = sched::current_ref();
            process::send_kernel_signal(&me, Signal::SIGKILL);
            process::send_kernel_signal(&me, Signal::SIGUSR1);
            assert!(!me.signal_pending());
            assert!(!me.fatal_signal_pending());

            process::allow_signal(Signal::SIGUSR1);
            let target = me.clone();
            spawn(move || {
                process::send_kernel_signal(&target, Signal::SIGTERM);
                process::send_kernel_signal(&target, Signal::SIGUSR1);
                0
            });
            let woken = WaitQueue::new().wait_map::<()>(Sleep::Interruptible, None, || None);
            assert!(woken.is_err());
            assert_eq!(process::dequeue_signal().map(|info| info.signal), Some(Signal::SIGUSR1));
            assert!(!me.signal_pending());

            process::allow_signal(Signal::SIGKILL);
            process::send_kernel_signal(&me, Signal::SIGKILL);
            assert!(me.fatal_signal_pending());
            assert_eq!(process::dequeue_signal().map(|info| info.signal), Some(Signal::SIGKILL));
            assert!(!me.signal_pending() && !me.fatal_signal_pending());
            process::disallow_signal(Signal::SIGKILL);
            process::send_kernel_signal(&me, Signal::SIGKILL);
            assert!(!me.signal_pending());
            while process::live_pids() > 3 {
                sched::sleep_for(10 * time::MICROSECOND);
            }
        });
    });
}

#[test]
fn k13_daemonize_goes_to_kthreadd_with_nothing() {
    over_seeds(50, 2, || {
        assert_eq!(process::getpgid(0), Ok(1), "PID 1 leads a session here");
        let changed = Flag::default();
        let told = changed.clone();
        let daemon = spawn(move || {
            let me = sched::current_ref();
            assert_eq!(process::ppid(), 1);
            assert_eq!((process::getpgid(0), process::getsid(0)), (Ok(1), Ok(1)));
            process::daemonize(b"flusher");
            assert_eq!(process::ppid(), 2);
            assert_eq!(me.comm().as_bytes(), b"flusher");
            assert_eq!((process::getpgid(0), process::getsid(0)), (Ok(0), Ok(0)));
            assert_eq!(process::signal::blocked(), process::SigSet::ALL);
            told.raise();
            0
        });
        changed.wait();
        drop(daemon);
        // Nobody waits for it.
        while process::live_pids() > 2 {
            sched::sleep_for(10 * time::MICROSECOND);
        }
    });
}
