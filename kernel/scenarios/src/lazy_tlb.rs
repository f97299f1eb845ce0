//! Borrowed address spaces.

use alloc::sync::Arc;

use kthread::{Builder, Exit, Handle};
use machine::memory::AddressSpace;
use machine::{CpuId, Protection, user};
use memory::{Page, alloc_page};
use sched::state::OFF_QUEUE;
use sched::{Completion, Sleep};

use crate::tools::{PATIENCE, cpus, dawdle, random};

const DATA: Protection = Protection { write: true, execute: false };
/// Where the two threads' pages are.
const BASE: usize = 0x1_0000_0000;

/// A, kernel threads, A is no switch; and a space outlives its users for as long as a CPU borrows it.
pub(crate) fn costs_no_switch() {
    // All on one CPU, so that nobody else's switches are counted there.
    let cpu = 0;
    let thread = Builder::new(format_args!("lazy"))
        .cpu(cpu)
        .run(move |_| {
            let a = Arc::new(AddressSpace::new().expect("a page-table root"));
            let b = Arc::new(AddressSpace::new().expect("a page-table root"));
            sched::use_address_space(Some(a.clone()));
            let before = sched::address_space_counters();
            // A, kernel threads, A: nothing is switched.
            for _ in 0..3 {
                sched::sleep_for(time::MILLISECOND);
            }
            let after = sched::address_space_counters();
            assert_eq!(after.switches, before.switches, "A, kernel thread, A switched");
            assert!(after.spared > before.spared, "nothing ran in between");
            sched::use_address_space(None);
            assert_eq!(Arc::strong_count(&a), 2, "the CPU borrows A");
            sched::use_address_space(Some(b.clone()));
            assert_eq!(Arc::strong_count(&a), 1, "nobody borrows A any more");
            sched::use_address_space(None);
            assert_eq!(Arc::strong_count(&b), 2, "the CPU borrows B");
            drop((a, b));
            // The kernel's own page tables again, so that nothing is left of B.
            let _irqs_off = sync::IrqGuard::new();
            sched::drop_lazy_space();
            0
        })
        .expect("a thread can be made");
    assert_eq!(thread.join(), Exit::Returned(0));
}

/// What the reader and the changer share.
struct Shared {
    space: Arc<AddressSpace>,
    /// The reader has seen what there is, and is about to wait.
    seen: Completion,
    /// Something has been changed.
    changed: Completion,
}

/// A thread on one CPU waits while another one changes what both have mapped. Its CPU borrows meanwhile, and is not
/// interrupted; and when the thread goes on, it sees what there is now.
pub(crate) fn borrowers_are_left_alone() {
    const ROUNDS: usize = 20;
    let all = cpus();
    let [first, second, ..] = all[..] else { return };
    let shared = Arc::new(Shared {
        space: Arc::new(AddressSpace::new().expect("a page-table root")),
        seen: Completion::new(),
        changed: Completion::new(),
    });
    map(&shared.space, BASE, 0);
    let reader = reader(second, ROUNDS, shared.clone());
    let task = reader.task().clone();
    let changer = Builder::new(format_args!("changer")).cpu(first).run(move |_| {
        with_space(&shared, || {
            let mut left_alone = 0;
            for round in 1..=ROUNDS {
                let deadline = Some(time::monotonic() + 10 * time::SECOND + PATIENCE);
                let seen = shared.seen.wait_as(Sleep::Uninterruptible, deadline);
                assert!(seen.is_ok(), "the reader has ended");
                if round % 2 == 0 {
                    while task.state() & OFF_QUEUE == 0 || task.is_on_cpu() {
                        sched::sleep_for(10_000);
                    }
                } else {
                    dawdle();
                }
                let before = machine::irq::counts(second).tlb;
                map(&shared.space, BASE, round as u8);
                left_alone += usize::from(machine::irq::counts(second).tlb == before);
                shared.changed.complete();
            }
            assert!(left_alone > ROUNDS / 4, "left alone {left_alone} times of {ROUNDS}");
        });
        0
    });
    assert_eq!(changer.expect("a thread can be made").join(), Exit::Returned(0));
    assert_eq!(reader.join(), Exit::Returned(0));
}

fn reader(cpu: CpuId, rounds: usize, shared: Arc<Shared>) -> Handle {
    let reader = Builder::new(format_args!("reader")).cpu(cpu).run(move |_| {
        with_space(&shared, || {
            for round in 0..=rounds {
                assert_eq!(read(), round as u8, "an old page is seen");
                if round == rounds {
                    break;
                }
                shared.seen.complete();
                if random(4) == 0 {
                    // Perhaps it is interrupted here instead.
                    dawdle();
                }
                shared.changed.wait();
            }
        });
        0
    });
    reader.expect("a thread can be made")
}

/// Runs in the space, and leaves this CPU without it.
fn with_space(shared: &Shared, body: impl FnOnce()) {
    sched::use_address_space(Some(shared.space.clone()));
    body();
    sched::use_address_space(None);
    let _irqs_off = sync::IrqGuard::new();
    sched::drop_lazy_space();
}

fn read() -> u8 {
    let mut byte = [0];
    user::copy_from(BASE, &mut byte).expect("a mapped page");
    byte[0]
}

/// Maps a page with this in its first byte, instead of what is mapped.
fn map(space: &AddressSpace, at: usize, value: u8) {
    let page = alloc_page(None).expect("a page");
    page.write(0, &[value]);
    match space.map(at, page.into_frame(), DATA) {
        Ok(old) => drop(old.map(Page::from_frame)),
        Err(frame) => {
            drop(Page::from_frame(frame));
            panic!("no memory for page tables");
        }
    }
}
