//! The freezer.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kthread::freezer::{self, Scope};
use kthread::{Builder, Exit};
use sched::state::FROZEN;
use sched::{TaskFlags, WaitQueue};

use crate::tools::{Meeting, PATIENCE, dawdle, random, spawn, wait_for_progress};

fn count(turns: &Arc<AtomicU64>, freezable: bool) -> kthread::Handle {
    let turns = turns.clone();
    let mut builder = Builder::new(format_args!("freeze_test"));
    if freezable {
        builder = builder.freezable();
    }
    builder
        .run(move |this| {
            loop {
                let (stop, _) = this.freezable_should_stop();
                if stop {
                    return 0;
                }
                turns.fetch_add(1, Ordering::SeqCst);
                this.sleep(1_000);
            }
        })
        .expect("a thread can be made")
}

pub(crate) fn freeze_and_thaw() {
    let (cold, warm) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let freezable = count(&cold, true);
    let not_freezable = count(&warm, false);
    wait_for_progress(&cold);
    freezer::freeze(Scope::All).expect("everybody comes");
    let frozen_at = cold.load(Ordering::SeqCst);
    wait_for_progress(&warm);
    assert_eq!(cold.load(Ordering::SeqCst), frozen_at, "a frozen thread ran");
    freezer::thaw();
    wait_for_progress(&cold);
    // A thread that is stopped leaves the freezer.
    freezer::freeze(Scope::All).expect("everybody comes");
    assert_eq!(freezable.stop(), Exit::Returned(0));
    freezer::thaw();
    assert_eq!(not_freezable.stop(), Exit::Returned(0));
}

pub(crate) fn against_create() {
    let over = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    let (seen, counted) = (over.clone(), turns.clone());
    let creator = spawn("maker", move |_| {
        let mut made = Vec::new();
        for _ in 0..6 {
            dawdle();
            if seen.load(Ordering::SeqCst) {
                break;
            }
            made.push(count(&counted, true));
        }
        while !seen.load(Ordering::SeqCst) {
            sched::sleep_for(10_000);
        }
        for thread in made {
            if matches!(thread.stop(), Exit::Panicked) {
                return 1;
            }
        }
        0
    });
    // One that is made just then comes to the freezer as the others go on.
    for _ in 0..3 {
        dawdle();
        freezer::freeze(Scope::All).expect("everybody comes");
        dawdle();
        freezer::thaw();
    }
    over.store(true, Ordering::SeqCst);
    assert_eq!(creator.join(), Exit::Returned(0));
}

pub(crate) fn against_park() {
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    // Where it parks and where it sleeps it comes to the freezer anyway.
    let asks_itself = random(2) == 0;
    let thread = Builder::new(format_args!("freeze_test"))
        .freezable()
        .run(move |this| {
            while !this.should_stop() {
                this.park_if_asked();
                if asks_itself {
                    this.try_to_freeze();
                }
                counted.fetch_add(1, Ordering::SeqCst);
                this.sleep(1_000);
            }
            0
        })
        .expect("a thread can be made");
    wait_for_progress(&turns);
    for _ in 0..3 {
        dawdle();
        freezer::freeze(Scope::All).expect("everybody comes");
        dawdle();
        thread.park().expect("a frozen thread parks, too");
        freezer::thaw();
        // And a parked one does not hold up a freeze.
        freezer::freeze(Scope::All).expect("everybody comes");
        let before = turns.load(Ordering::SeqCst);
        thread.unpark();
        // Thawed at once, it may be just on its way into the freezer.
        if random(2) == 0 {
            sched::sleep_for(time::MILLISECOND);
            assert_eq!(turns.load(Ordering::SeqCst), before, "unparked into a freeze, it ran");
        }
        (0..random(8)).for_each(|_| machine::cpu::relax());
        freezer::thaw();
        wait_for_progress(&turns);
    }
    assert_eq!(thread.stop(), Exit::Returned(0));
}

/// A thread is on its way into the freezer as everybody is thawed: it goes on.
pub(crate) fn thawed_on_its_way() {
    const TURNS: u64 = 16;
    let (meeting, thawed) = (Arc::new(Meeting::default()), Arc::new(AtomicU64::new(0)));
    let (theirs, says) = (meeting.clone(), thawed.clone());
    let thread = spawn("freeze_test", move |this| {
        for turn in 0..TURNS {
            theirs.of_two(turn);
            this.set_freezable();
            sched::current().add_flags(TaskFlags::NOFREEZE);
            says.fetch_add(1, Ordering::SeqCst);
        }
        0
    });
    for turn in 0..TURNS {
        freezer::freeze(Scope::All).expect("everybody comes");
        meeting.of_two(turn);
        freezer::thaw();
        let limit = time::monotonic() + time::SECOND + PATIENCE;
        while thawed.load(Ordering::SeqCst) <= turn {
            assert!(time::monotonic() < limit, "it stays in the freezer");
            sched::sleep_for(10_000);
        }
    }
    assert_eq!(thread.join(), Exit::Returned(0));
}

/// Threads that wait for work, or for a time that is far away, are frozen where they are, and wait on afterwards. One that waits for its first
/// wake-up holds up no freeze.
pub(crate) fn who_waits() {
    const FAR: u64 = 100_000 * time::SECOND;
    static QUEUE: WaitQueue = WaitQueue::new();
    let has_work = Arc::new(AtomicBool::new(false));
    let theirs = has_work.clone();
    let waits = Builder::new(format_args!("waits")).freezable().run(move |this| {
        while !this.should_stop() && !this.wait(&QUEUE, || theirs.load(Ordering::SeqCst)) {}
        0
    });
    let sleeps = Builder::new(format_args!("sleeps")).freezable().run(|this| {
        while !this.should_stop() && !this.sleep(FAR) {}
        0
    });
    let threads = [waits, sleeps].map(|thread| thread.expect("a thread can be made"));
    let unwoken = Builder::new(format_args!("unwoken")).freezable().create(|_| 0);
    for _ in 0..3 {
        dawdle();
        freezer::freeze(Scope::All).expect("everybody comes");
        for thread in &threads {
            assert_ne!(thread.task().state() & FROZEN, 0, "{:?} is not frozen", thread.task());
        }
        freezer::thaw();
    }
    has_work.store(true, Ordering::SeqCst);
    QUEUE.wake_all();
    assert_eq!(unwoken.expect("a thread can be made").stop(), Exit::NeverRan);
    let [waits, sleeps] = threads;
    assert_eq!(waits.join(), Exit::Returned(0));
    let asked = time::monotonic();
    assert!(matches!(sleeps.stop(), Exit::Returned(0) | Exit::NeverRan));
    assert!(time::monotonic() - asked < time::SECOND + PATIENCE, "it slept on");
}
