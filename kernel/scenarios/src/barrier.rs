//! Barriers on all CPUs that run a program.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use kthread::{Builder, Exit};
use machine::CpuId;
use machine::memory::AddressSpace;
use sched::Completion;

use crate::tools::{PATIENCE, cpus, ensure, in_one_of_some_tries};

/// What the CPU's threads share.
struct Stage {
    space: Arc<AddressSpace>,
    ready: AtomicUsize,
    all_ready: Completion,
    over: Completion,
}

/// A thread on each second CPU has the space loaded while a barrier passes, which one on the first CPU asks for.
pub(crate) fn reaches_who_runs_it() {
    let asks = Builder::new(format_args!("asks")).cpu(0).run(|_| {
        // What the kernel itself unmaps meanwhile interrupts all.
        in_one_of_some_tries(ask_for_barrier);
        0
    });
    assert_eq!(asks.expect("a thread can be made").join(), Exit::Returned(0));
}

fn ask_for_barrier() -> Result<(), String> {
    let all = cpus();
    let users: Vec<CpuId> = all.iter().copied().skip(1).step_by(2).collect();
    let stage = Arc::new(Stage {
        space: Arc::new(AddressSpace::new().expect("a page-table root")),
        ready: AtomicUsize::new(users.len()),
        all_ready: Completion::new(),
        over: Completion::new(),
    });
    if users.is_empty() {
        // Alone, and still no reason to wait for anybody.
        stage.space.barrier();
        return Ok(());
    }
    let threads: Vec<_> = users.iter().map(|&cpu| user(cpu, stage.clone())).collect();
    stage.all_ready.wait();
    let before: Vec<u64> = all.iter().map(|&cpu| interrupts(cpu)).collect();
    stage.space.barrier();
    let mut disturbed = None;
    for (&cpu, before) in all.iter().zip(before) {
        if users.contains(&cpu) {
            // Who answers while it spins takes the interrupt when it can.
            let deadline = time::monotonic() + time::SECOND + PATIENCE;
            while interrupts(cpu) == before {
                assert!(time::monotonic() < deadline, "CPU {cpu} was not interrupted");
                sched::sleep_for(10_000);
            }
        } else if interrupts(cpu) != before {
            disturbed = Some(cpu);
        }
    }
    stage.over.complete_all();
    for thread in threads {
        assert_eq!(thread.join(), Exit::Returned(0));
    }
    ensure!(disturbed.is_none(), "CPU {disturbed:?} was interrupted");
    Ok(())
}

fn interrupts(cpu: CpuId) -> u64 {
    machine::irq::counts(cpu).tlb
}

fn user(cpu: CpuId, stage: Arc<Stage>) -> kthread::Handle {
    Builder::new(format_args!("user/{cpu}"))
        .cpu(cpu)
        .run(move |_| {
            sched::use_address_space(Some(stage.space.clone()));
            if stage.ready.fetch_sub(1, Ordering::SeqCst) == 1 {
                stage.all_ready.complete();
            }
            stage.over.wait();
            sched::use_address_space(None);
            let _irqs_off = sync::IrqGuard::new();
            sched::drop_lazy_space();
            0
        })
        .expect("a thread can be made")
}
