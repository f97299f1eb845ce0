//! Creators that are killed.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use errno::Errno;
use kthread::{Builder, Exit};
use sched::{SIGNAL_FATAL, state};

use crate::tools::{PATIENCE, dawdle, random, spawn};

/// Counts its owners: if the thread's function is freed, so is this.
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether there is a task for the thread that is being made.
fn is_born() -> bool {
    let mut is_there = false;
    process::for_each_task(|task| is_there |= task.comm().as_bytes() == b"orphan");
    is_there
}

pub(crate) fn at_any_point() {
    let tokens = Arc::new(AtomicUsize::new(1));
    let token = Token(tokens.clone());
    let creator = spawn("doomed", move |_| {
        let made = Builder::new(format_args!("orphan")).create(move |_| {
            drop(token);
            0
        });
        match made {
            Ok(created) => {
                assert_eq!(created.stop(), Exit::NeverRan);
                0
            }
            Err(Errno::EINTR) => 1,
            Err(other) => panic!("creation failed with {other}"),
        }
    });
    if random(2) == 0 {
        dawdle();
    } else {
        // About when the newborn answers.
        while !is_born() && !creator.has_ended() {
            sched::yield_now();
        }
        (0..random(40)).for_each(|_| machine::cpu::relax());
    }
    // What SIGKILL does to a task that takes it.
    creator.task().add_signal(SIGNAL_FATAL);
    sched::wake_up_state(creator.task(), state::WAKEKILL | state::INTERRUPTIBLE);
    let exit = creator.join();
    assert!(matches!(exit, Exit::Returned(0 | 1)), "{exit:?}");
    // An abandoned thread may still be on its way out.
    let deadline = time::monotonic() + time::SECOND + PATIENCE;
    while tokens.load(Ordering::SeqCst) != 0 && time::monotonic() < deadline {
        sched::sleep_for(10_000);
    }
    assert_eq!(tokens.load(Ordering::SeqCst), 0, "the abandoned request was not freed");
}
