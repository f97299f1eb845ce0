//! From one thread to another, and from one CPU to another.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kthread::{Builder, Exit, Handle, UseMm};
use machine::CpuId;
use sched::{Attributes, Completion, CpuMask, Policy};
use vm::Mm;

use crate::{TURNS, WARM_UP, Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::turn("yield_to_nobody", sched::yield_now),
    Workload::whole("completion_ping_pong", 1, || rally(Partner::Fair(0), None).round),
    Workload::whole("completion_two_cpus", 2, || rally(Partner::Fair(1), None).round),
    Workload::whole("wake_to_run", 1, || rally(Partner::RealTime, None).arrival),
    Workload::whole("user_kthread_user", 1, user_kthread_user),
    Workload::whole("migrate_running", 2, migrate_running),
];

const REAL_TIME: Attributes =
    Attributes { policy: Policy::Fifo, nice: 0, priority: 50, reset_on_fork: false };

/// What two threads that wake each other share.
#[derive(Default)]
struct Rally {
    ping: Completion,
    pong: Completion,
    /// When the ping went out, and the sum of how long it took to arrive. Ordered by the completions.
    sent: AtomicU64,
    latency: AtomicU64,
}

impl Rally {
    fn ask(&self) {
        self.sent.store(time::monotonic(), Relaxed);
        self.ping.complete();
        self.pong.wait();
    }

    fn answer(&self) {
        for turn in 0..WARM_UP + TURNS {
            self.ping.wait();
            if turn >= WARM_UP {
                self.latency.fetch_add(time::monotonic() - self.sent.load(Relaxed), Relaxed);
            }
            self.pong.complete();
        }
    }
}

/// Who answers.
enum Partner {
    /// A thread like the one that asks, on this CPU.
    Fair(CpuId),
    /// One that runs as soon as it may, on the same CPU.
    RealTime,
}

/// Averages of a rally.
struct Figures {
    /// Ping and pong.
    round: u64,
    /// From before the wake-up until the woken thread sees it.
    arrival: u64,
}

/// Two threads wake each other by completions. The one that asks, on CPU 0, may take a user address space on.
fn rally(partner: Partner, mm: Option<Arc<Mm>>) -> Figures {
    let rally = Arc::new(Rally::default());
    let theirs = rally.clone();
    let mut builder = Builder::new(format_args!("bench"));
    builder = match partner {
        Partner::Fair(cpu) => builder.bound_to(CpuMask::of(cpu)),
        Partner::RealTime => builder.bound_to(CpuMask::of(0)).attributes(REAL_TIME),
    };
    let partner = builder
        .run(move |_| {
            theirs.answer();
            0
        })
        .expect("a thread can be made");
    let ours = rally.clone();
    let asking = Builder::new(format_args!("bench"))
        .bound_to(CpuMask::of(0))
        .run(move |_| {
            let _inside = mm.map(|mm| UseMm::new(mm).expect("it has none yet"));
            average(|| ours.ask()) as i32
        })
        .expect("a thread can be made");
    let round = returned(asking);
    assert_eq!(partner.join(), Exit::Returned(0));
    Figures { round, arrival: rally.latency.load(Relaxed) / TURNS }
}

/// A task with a user address space, a kernel thread that borrows it, and back: no address space is switched.
fn user_kthread_user() -> u64 {
    rally(Partner::Fair(0), Some(Mm::new().expect("an address space"))).round
}

/// A running thread moves to the other CPU, which takes the stopper's help.
fn migrate_running() -> u64 {
    let thread = Builder::new(format_args!("bench"))
        .run(|_| {
            let me = sched::current_ref();
            let go_to = |cpu| sched::set_allowed(&me, CpuMask::of(cpu)).expect("it is online");
            go_to(0);
            let figure = average(|| {
                go_to(1);
                go_to(0);
            });
            (figure / 2) as i32
        })
        .expect("a thread can be made");
    returned(thread)
}

fn returned(thread: Handle) -> u64 {
    match thread.join() {
        Exit::Returned(figure) => figure.unsigned_abs().into(),
        other => panic!("the workload's thread ended with {other:?}"),
    }
}
