//! Futexes with owners, who inherit the priority of those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use errno::Errno;
use machine::{sim, user};
use sched::{Attributes, Policy};

use crate::harness::{Threads, dawdle, futex, over_seeds, write_moment};

const WAKE: u32 = 1;
const UNLOCK: u32 = 7;
const TRY_LOCK: u32 = 8;
const WAIT_REQUEUE: u32 = 11;
const CMP_REQUEUE: u32 = 12;
const LOCK: u32 = 13;
const PRIVATE: u32 = 128;

const OWNER_DIED: u32 = 0x4000_0000;
const NUMBER: u32 = 0x3fff_ffff;

fn number() -> u32 {
    process::tid()
}

/// As a C library does. `until`: where the time-out is, or 0.
fn lock(word: usize, until: usize) -> Result<(), Errno> {
    if user::compare_exchange_u32(word, 0, number()).unwrap() == 0 {
        return Ok(());
    }
    loop {
        match futex(word, LOCK | PRIVATE, 0, until, 0, 0) {
            // After what a program does about its signals.
            Err(Errno::ERESTARTNOINTR) => sched::current().remove_signal(sched::SIGNAL_PENDING),
            outcome => return outcome.map(|_| ()),
        }
    }
}

fn unlock(word: usize) {
    assert_eq!(user::load_u32(word).unwrap() & NUMBER, number(), "it is another's");
    if user::compare_exchange_u32(word, number(), 0).unwrap() != number() {
        assert_eq!(futex(word, UNLOCK | PRIVATE, 0, 0, 0, 0), Ok(0));
    }
}

fn become_anybody() {
    let priority = sim::random(4) as u8;
    let attributes = match priority {
        0 => Attributes::NORMAL,
        _ => Attributes { policy: Policy::Fifo, priority, ..Attributes::NORMAL },
    };
    sched::set_attributes(&sched::current_ref(), attributes).unwrap();
}

/// Nothing is kept of a futex that nobody waits for.
fn assert_forgotten(word: usize) {
    assert_eq!(futex(word, WAKE | PRIVATE, 1, 0, 0, 0), Ok(0));
}

fn assert_nothing_is_lent() {
    let me = sched::current();
    assert_eq!(me.priority_in_force(), me.attributes().internal_priority());
}

/// One at a time, whatever the priorities, and with time-outs and signals.
#[test]
fn c07_pi_one_owner_at_a_time() {
    over_seeds(400, 3, |page| {
        let word = page;
        let (inside, got) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let mut threads = Threads::default();
        let mut numbers = Vec::new();
        for place in 0..4 {
            let (inside, got) = (inside.clone(), got.clone());
            let moment = page + 64 + 16 * place;
            numbers.push(threads.start(move || {
                become_anybody();
                for _ in 0..4 {
                    let until = if sim::random(3) == 0 { moment } else { 0 };
                    write_moment(moment, sim::random(60_000));
                    match lock(word, until) {
                        Ok(()) => {
                            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have it");
                            dawdle();
                            inside.fetch_sub(1, SeqCst);
                            unlock(word);
                            got.fetch_add(1, SeqCst);
                        }
                        Err(error) => assert_eq!((error, until), (Errno::ETIMEDOUT, moment)),
                    }
                    assert_nothing_is_lent();
                    dawdle();
                }
            }));
        }
        while !threads.have_ended() {
            let one = numbers[sim::random(4) as usize];
            if let Some(task) = process::find_task(one) {
                task.add_signal(sched::SIGNAL_PENDING);
                sched::wake_up_state(&task, sched::state::INTERRUPTIBLE);
            }
            sched::sleep_for(1 + sim::random(50_000));
        }
        assert!(got.load(SeqCst) > 0);
        assert_eq!(lock(word, 0), Ok(()));
        unlock(word);
        assert_eq!(user::load_u32(word), Ok(0));
        assert_forgotten(word);
    });
}

/// Owners end with it: the next one gets it and is told, or nobody is there to take it from.
#[test]
fn c07_pi_owner_ends() {
    over_seeds(400, 3, |page| {
        let word = page;
        let (died, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let mut threads = Threads::default();
        for _ in 0..4 {
            let (died, lost) = (died.clone(), lost.clone());
            threads.start(move || {
                become_anybody();
                dawdle();
                loop {
                    let before = user::load_u32(word).unwrap() & NUMBER;
                    let Err(error) = lock(word, 0) else { break };
                    if error == Errno::EINVAL {
                        // The dead one's number is there until the next owner has run, as on Linux without a robust list.
                        dawdle();
                        continue;
                    }
                    assert_eq!(error, Errno::ESRCH);
                    // Nobody waited when it ended. As a program would that knows it; each is an owner once only.
                    let now = user::load_u32(word).unwrap();
                    if now & NUMBER == before
                        && before != 0
                        && user::compare_exchange_u32(word, now, 0).unwrap() == now
                    {
                        lost.fetch_add(1, SeqCst);
                    }
                }
                let now = user::load_u32(word).unwrap();
                assert_eq!(now & NUMBER, number());
                if now & OWNER_DIED != 0 {
                    died.fetch_add(1, SeqCst);
                }
                dawdle();
            });
        }
        threads.join();
        // Each but the first had it from one that had ended.
        assert_eq!(died.load(SeqCst) + lost.load(SeqCst), 3);
    });
}

/// Waiters are moved while their time is up and signals come: each has it in turn, or has left.
#[test]
fn c07_pi_moved_or_gone() {
    over_seeds(400, 3, |page| {
        const WAITERS: usize = 3;
        let (from, to) = (page, page + 4);
        let (inside, left) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let mut threads = Threads::default();
        let mut numbers = Vec::new();
        for place in 0..WAITERS {
            let (inside, left) = (inside.clone(), left.clone());
            let moment = page + 64 + 16 * place;
            numbers.push(threads.start(move || {
                become_anybody();
                dawdle();
                let until = if sim::random(2) == 0 { moment } else { 0 };
                write_moment(moment, sim::random(80_000));
                match futex(from, WAIT_REQUEUE | PRIVATE, 0, until, to, 0) {
                    Ok(_) => {
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have it");
                        dawdle();
                        inside.fetch_sub(1, SeqCst);
                        unlock(to);
                    }
                    Err(Errno::ETIMEDOUT) => assert_eq!(until, moment),
                    Err(Errno::ERESTARTNOINTR | Errno::EAGAIN) => {
                        sched::current().remove_signal(sched::SIGNAL_PENDING);
                    }
                    Err(error) => panic!("{error}"),
                }
                left.fetch_add(1, SeqCst);
                assert_nothing_is_lent();
            }));
        }
        let mut turns = 0;
        while !threads.have_ended() {
            let holds = sim::random(2) == 0;
            if holds {
                assert_eq!(lock(to, 0), Ok(()));
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have it");
                dawdle();
            }
            let moved = futex(from, CMP_REQUEUE | PRIVATE, 1, sim::random(3) as usize, to, 0);
            assert!(moved.is_ok_and(|moved| moved <= WAITERS), "{moved:?}");
            dawdle();
            if holds {
                inside.fetch_sub(1, SeqCst);
                unlock(to);
            }
            if sim::random(3) == 0
                && let Some(task) = process::find_task(numbers[sim::random(3) as usize])
            {
                task.add_signal(sched::SIGNAL_PENDING);
                sched::wake_up_state(&task, sched::state::INTERRUPTIBLE);
            }
            sched::sleep_for(1 + sim::random(20_000));
            turns += 1;
            assert!(turns < 10_000, "somebody waits for ever");
        }
        assert_eq!(left.load(SeqCst) as usize, WAITERS);
        assert_eq!(futex(to, TRY_LOCK | PRIVATE, 0, 0, 0, 0), Ok(0));
        unlock(to);
        assert_forgotten(from);
        assert_forgotten(to);
        assert_nothing_is_lent();
    });
}
