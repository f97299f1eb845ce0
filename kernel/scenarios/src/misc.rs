//! The ancestors, signals, names, and single rows.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kthread::{Builder, Exit, UseMm};
use process::{CloneFlags, KernelThread, Signal};
use sched::{TaskFlags, WaitQueue};
use vm::{MapFlags, MapRequest, MapSource, Mm, Prot};

use crate::tools::{PATIENCE, cpus, dawdle, expect_oopses, spawn};

pub(crate) fn idle_is_pid_0() {
    assert!(process::find_task(0).is_none(), "PID 0 can be found");
    for cpu in cpus() {
        let idle = sched::idle_task(cpu).expect("a CPU that is online has its idle task");
        assert_eq!(idle.pid(), 0);
        assert_eq!(alloc::format!("{}", idle.comm()), alloc::format!("swapper/{cpu}"));
        assert!(idle.flags().contains(TaskFlags::IDLE));
    }
}

pub(crate) fn ancestors() {
    let first = process::find_task(1).expect("PID 1");
    let second = process::find_task(2).expect("PID 2");
    assert_eq!(process::parent_number(&first), Some(0));
    assert_eq!(process::parent_number(&second), Some(0));
    assert_eq!(second.comm().as_bytes(), b"kthreadd");
    assert!(second.flags().contains(TaskFlags::KTHREAD | TaskFlags::NOFREEZE));
    assert!(second.address_space().is_none());
    assert_eq!(second.allowed(), sched::housekeeping());
    let me = sched::current_ref();
    assert_eq!(
        process::parent_number(&me),
        Some(2),
        "every other kernel thread is kthreadd's child"
    );
}

pub(crate) fn kthreadd_ignores_signals() {
    let kthreadd = process::find_task(2).expect("PID 2");
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGHUP] {
        process::send_kernel_signal(&kthreadd, signal);
        assert!(!kthreadd.signal_pending(), "kthreadd took signal {signal:?}");
    }
    assert_eq!(spawn("after", |_| 4).join(), Exit::Returned(4));
}

pub(crate) fn signals() {
    let deaf = spawn("deaf", |this| {
        while !this.should_stop() {
            this.sleep(100_000);
        }
        0
    });
    process::send_kernel_signal(deaf.task(), Signal::SIGKILL);
    sched::sleep_for(time::MILLISECOND);
    assert!(!deaf.has_ended(), "SIGKILL ended a kernel thread");
    assert!(!deaf.task().signal_pending());
    assert!(matches!(deaf.stop(), Exit::Returned(0) | Exit::NeverRan));
    let ready = Arc::new(AtomicUsize::new(0));
    let told = ready.clone();
    let listening = spawn("listening", move |_| {
        process::allow_signal(Signal::SIGUSR1);
        told.store(1, Ordering::SeqCst);
        let queue = WaitQueue::new();
        let woken = queue.wait_interruptible(|| false);
        let pending = sched::current().signal_pending();
        i32::from(woken.is_err() && pending)
    });
    while ready.load(Ordering::SeqCst) == 0 {
        sched::sleep_for(10_000);
    }
    process::send_kernel_signal(listening.task(), Signal::SIGUSR1);
    assert_eq!(listening.join(), Exit::Returned(1), "an allowed signal was not seen");
}

pub(crate) fn names() {
    let created = Builder::new(format_args!("kworker/{}:{}-quite_a_long_name", 3, 14))
        .create(|_| 0)
        .expect("a thread can be made");
    assert_eq!(created.task().comm().as_bytes(), b"kworker/3:14-qu");
    let full = kthread::full_name(created.task()).expect("it is a kernel thread");
    assert_eq!(full, b"kworker/3:14-quite_a_long_name");
    assert_eq!(created.stop(), Exit::NeverRan);
}

pub(crate) fn daemonize() {
    let seen = Arc::new(AtomicU64::new(0));
    let told = seen.clone();
    let pid = process::kernel_thread(KernelThread {
        name: b"child",
        node: None,
        flags: CloneFlags::FS | CloneFlags::FILES,
        function: alloc::boxed::Box::new(move || {
            let me = sched::current_ref();
            let before = process::parent_number(&me).unwrap_or(0);
            process::daemonize(b"daemon");
            let after = process::parent_number(&me).unwrap_or(0);
            let renamed = u64::from(me.comm().as_bytes() == b"daemon");
            told.store(
                1 << 63 | renamed << 62 | u64::from(before) << 20 | u64::from(after),
                Ordering::SeqCst,
            );
            0
        }),
    })
    .expect("a thread can be made")
    .pid();
    let me = u64::from(sched::current().pid());
    while seen.load(Ordering::SeqCst) == 0 {
        sched::sleep_for(10_000);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 1 << 63 | 1 << 62 | me << 20 | 2);
    while process::find_task(pid).is_some() {
        sched::sleep_for(10_000);
    }
}

pub(crate) fn panic_dies_alone() {
    expect_oopses(1);
    let doomed = spawn("doomed", |_| panic!("this thread is meant to panic"));
    assert_eq!(doomed.join(), Exit::Panicked);
    assert_eq!(spawn("after", |_| 6).join(), Exit::Returned(6), "the kernel goes on");
}

pub(crate) fn panic_in_a_system_call() {
    expect_oopses(1);
    let child = process::kernel_thread(KernelThread {
        name: b"program",
        node: None,
        flags: CloneFlags::FS | CloneFlags::FILES,
        function: || {
            // As after `execve`.
            sched::current().remove_flags(TaskFlags::KTHREAD);
            dawdle();
            panic!("this system call is meant to panic")
        },
    })
    .expect("a task can be made");
    let pid = child.pid();
    drop(child);
    while process::find_task(pid).is_some() {
        sched::sleep_for(10_000);
    }
    assert_eq!(spawn("after", |_| 6).join(), Exit::Returned(6), "the kernel goes on");
}

pub(crate) fn wait_until_asked() {
    static QUEUE: WaitQueue = WaitQueue::new();
    static WORK: AtomicUsize = AtomicUsize::new(0);
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let daemon = spawn("daemon", move |this| {
        while !this.should_stop() {
            let take = || {
                WORK.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
            };
            if this.wait(&QUEUE, take) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
        0
    });
    for i in 1..=5 {
        dawdle();
        WORK.fetch_add(1, Ordering::SeqCst);
        QUEUE.wake_one();
        while done.load(Ordering::SeqCst) < i {
            sched::sleep_for(10_000);
        }
    }
    // It may still be on its way back to sleep.
    while daemon.task().state() & sched::state::OFF_QUEUE == 0 || daemon.task().is_on_cpu() {
        sched::sleep_for(10_000);
    }
    let switches = daemon.task().times().voluntary;
    sched::sleep_for(time::SECOND);
    assert_eq!(daemon.task().times().voluntary, switches, "it was awake with nothing to do");
    assert_eq!(daemon.stop(), Exit::Returned(0));
}

pub(crate) fn every_so_often() {
    const PERIOD: u64 = 50 * time::MILLISECOND;
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    let daemon = spawn("periodic", move |this| {
        while !this.should_stop() {
            if this.sleep(PERIOD) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
        0
    });
    let began = time::monotonic();
    sched::sleep_for(10 * PERIOD + PERIOD / 2);
    while turns.load(Ordering::SeqCst) < 8 && time::monotonic() - began < 11 * PERIOD + PATIENCE {
        sched::sleep_for(PERIOD);
    }
    let ran = turns.load(Ordering::SeqCst);
    let periods = (time::monotonic() - began) / PERIOD;
    // One may have begun before the count of time.
    assert!((8..=periods + 1).contains(&ran), "{ran} turns in {periods} periods");
    let asked = time::monotonic();
    assert_eq!(daemon.stop(), Exit::Returned(0));
    assert!(time::monotonic() - asked < PERIOD + PATIENCE, "stop waited for the period to end");
}

pub(crate) fn use_mm() {
    const PAGES: usize = 3;
    let mm = Mm::new().expect("an address space");
    let address = mm
        .mmap(&MapRequest {
            address: 0,
            length: PAGES * machine::PAGE_SIZE,
            prot: Prot::READ | Prot::WRITE,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
            source: MapSource::Anonymous,
        })
        .expect("there is room");
    let theirs = mm.clone();
    let thread = Builder::new(format_args!("use_mm"))
        .cpu(0)
        .run(move |_| {
            assert!(machine::user::copy_to(address, b"x").is_err(), "a user page without use_mm");
            let inside = UseMm::new(theirs.clone()).expect("it has none yet");
            assert!(UseMm::new(theirs).is_err(), "one at a time");
            let last = address + PAGES * machine::PAGE_SIZE - 5;
            machine::user::copy_to(last, b"hello").expect("the page is made on demand");
            dawdle();
            sched::sleep_for(10_000);
            let mut seen = [0; 5];
            machine::user::copy_from(last, &mut seen).expect("the page is there");
            assert_eq!(&seen, b"hello");
            assert!(machine::user::copy_to(last, b"beyond").is_err(), "written beyond the mapping");
            drop(inside);
            assert!(machine::user::copy_to(address, b"x").is_err(), "still there after unuse_mm");
            // So that the CPU does not borrow the space beyond the scenario's end.
            let _irqs_off = sync::IrqGuard::new();
            sched::drop_lazy_space();
            0
        })
        .expect("a thread can be made");
    assert_eq!(thread.join(), Exit::Returned(0));
}
