//! From one futex to another that has an owner.

use crate::calls::*;
use libc::{CLOCK_MONOTONIC, EAGAIN, EDEADLK, EINVAL, ETIMEDOUT};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

fn wait(from: &AtomicU32, value: u32, to: &AtomicU32, milliseconds: Option<i64>) -> Outcome {
    let until = milliseconds.map(|milliseconds| soon(CLOCK_MONOTONIC, milliseconds));
    let time = until.as_ref().map_or(0, |time| std::ptr::from_ref(time).addr());
    futex_2(from, WAIT_REQUEUE | PRIVATE, value, time, Some(to), 0)
}

fn move_(from: &AtomicU32, count: usize, to: &AtomicU32, value: u32) -> Outcome {
    futex_2(from, CMP_REQUEUE | PRIVATE, 1, count, Some(to), value)
}

/// Whether so many threads wait on a word: the call that would move them says it, if they are not to go there.
fn until_waiting(from: &AtomicU32) {
    let elsewhere = AtomicU32::new(0);
    until(|| move_(from, 0, &elsewhere, from.load(SeqCst)) == Err(EINVAL));
}

/// The first gets a free one, or all wait for its owner, the most urgent first.
pub(crate) fn moved() {
    for is_free in [true, false] {
        let (from, to) = (AtomicU32::new(7), AtomicU32::new(0));
        let (threads, order) = ([const { AtomicU32::new(0) }; 3], AtomicU32::new(0));
        let me = number();
        thread::scope(|scope| {
            for (place, priority) in [10, 30, 20].into_iter().enumerate() {
                let (from, to, threads, order) = (&from, &to, &threads, &order);
                scope.spawn(move || {
                    set_priority(number(), priority);
                    threads[place].store(number(), SeqCst);
                    assert_eq!(wait(from, 7, to, None), Ok(0));
                    assert_eq!(to.load(SeqCst) & NUMBER, number());
                    order.store(order.load(SeqCst) * 100 + priority as u32, SeqCst);
                    unlock(to);
                });
            }
            for one in &threads {
                until(|| one.load(SeqCst) != 0 && sleeps(one.load(SeqCst)));
            }
            if !is_free {
                lock(&to);
            }
            assert_eq!(move_(&from, 5, &to, 7), Ok(3));
            if !is_free {
                assert_eq!(to.load(SeqCst), me | WAITERS);
                assert_eq!(shown_priority(me), -31);
                unlock(&to);
                assert_eq!(shown_priority(me), 20);
            }
        });
        assert_eq!(order.load(SeqCst), 30_20_10);
        assert_eq!(futex(&to, TRY_LOCK | PRIVATE, 0, None), Ok(0));
        unlock(&to);
    }
    println!("moved");
}

/// What does not fit is refused.
pub(crate) fn refused() {
    let (from, to, other) = (AtomicU32::new(7), AtomicU32::new(0), AtomicU32::new(0));
    assert_eq!(wait(&from, 7, &from, None), Err(EINVAL));
    assert_eq!(wait(&from, 8, &to, None), Err(EAGAIN));
    assert_eq!(move_(&from, 1, &from, 7), Err(EINVAL));
    assert_eq!(move_(&from, 1, &to, 8), Err(EAGAIN));
    assert_eq!(move_(&from, 1, &to, 7), Ok(0));
    let two = futex_2(&from, CMP_REQUEUE | PRIVATE, 2, 1, Some(&to), 7);
    assert_eq!(two, Err(EINVAL));
    thread::scope(|scope| {
        scope.spawn(|| {
            lock(&other);
            assert_eq!(wait(&from, 7, &to, None), Ok(0));
            unlock(&to);
            unlock(&other);
        });
        until_waiting(&from);
        assert_eq!(move_(&from, 1, &other, 7), Err(EINVAL));
        // Who waits to be moved is not there to be woken.
        assert_eq!(futex(&from, WAKE | PRIVATE, 1, None), Err(EINVAL));
        assert_eq!(futex_2(&from, REQUEUE | PRIVATE, 0, 1, Some(&to), 0), Err(EINVAL));
        // To wait for what the waiter itself is the owner of, or one who waits for it.
        let waiter = other.load(SeqCst) & NUMBER;
        to.store(waiter, SeqCst);
        assert_eq!(move_(&from, 1, &to, 7), Err(EDEADLK));
        to.store(0, SeqCst);
        assert_eq!(move_(&from, 1, &to, 7), Ok(1));
    });
    // One who waits to be woken cannot be moved.
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(futex(&from, WAIT | PRIVATE, 7, None), Ok(0)));
        until(|| move_(&from, 1, &to, 7) == Err(EINVAL));
        until(|| futex(&from, WAKE | PRIVATE, 1, None) == Ok(1));
    });
    println!("refused");
}

/// The time is up before the move, or after it.
pub(crate) fn early() {
    let (from, to) = (AtomicU32::new(7), AtomicU32::new(0));
    assert_eq!(wait(&from, 7, &to, Some(20)), Err(ETIMEDOUT));
    assert_eq!(move_(&from, 1, &to, 7), Ok(0));
    lock(&to);
    // With twice the time, if the host was so busy that it was up before all had been seen.
    let mut time = 1000;
    while !gives_up_after_the_move(&from, &to, time) {
        time *= 2;
    }
    unlock(&to);
    assert_eq!(to.load(SeqCst), 0);
    println!("early");
}

fn gives_up_after_the_move(from: &AtomicU32, to: &AtomicU32, time: i64) -> bool {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            set_priority(number(), 15);
            assert_eq!(wait(from, 7, to, Some(time)), Err(ETIMEDOUT));
        });
        let elsewhere = AtomicU32::new(0);
        until(|| waiter.is_finished() || move_(from, 0, &elsewhere, 7) == Err(EINVAL));
        let moved = move_(from, 1, to, 7);
        let priority = shown_priority(number());
        let in_time = !waiter.is_finished();
        waiter.join().unwrap();
        assert_eq!(shown_priority(number()), 20);
        if in_time {
            assert_eq!((moved, priority), (Ok(1), -16));
        }
        in_time
    })
}
