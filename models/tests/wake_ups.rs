//! Who waits, and who wakes: on a queue, and on a completion.

use std::sync::Arc as StdArc;

use models::completion::Completion;
use models::current::as_task;
use models::wait::{Notify, WaitQueue, Watch};
use weak::cell::Tracked;
use weak::sync::Arc;
use weak::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use weak::{model, model_with_switches, thread};

/// A queue on which somebody has waited.
fn queue() -> Arc<WaitQueue> {
    let queue = Arc::new(WaitQueue::new());
    assert!(queue.is_empty());
    as_task(|| {
        let mut looks = 0;
        queue.wait(|| {
            looks += 1;
            looks > 1
        });
    });
    queue
}

/// A completion that has been used.
fn completion() -> Arc<Completion> {
    let completion = Arc::new(Completion::new());
    completion.complete();
    assert!(completion.try_wait());
    queue();
    completion
}

fn flag() -> StdArc<AtomicBool> {
    let flag = StdArc::new(AtomicBool::new(false));
    flag.store(false, Relaxed);
    flag
}

#[test]
fn sync_a_condition_without_order_is_not_missed() {
    model(|| {
        let (queue, flag) = (queue(), flag());
        let (sleeper_queue, sleeper_flag) = (queue.clone(), flag.clone());
        let sleeper = thread::spawn(move || {
            as_task(|| sleeper_queue.wait(|| sleeper_flag.load(Relaxed)));
        });
        flag.store(true, Relaxed);
        queue.wake_all();
        sleeper.join().unwrap();
    });
}

#[test]
fn sync_who_was_woken_sees_what_was_done_before() {
    model(|| {
        let (queue, flag, done) = (queue(), flag(), StdArc::new(Tracked::new(0)));
        let (sleeper_queue, sleeper_flag, seen) = (queue.clone(), flag.clone(), done.clone());
        let sleeper = thread::spawn(move || {
            as_task(|| sleeper_queue.wait(|| sleeper_flag.load(SeqCst)));
            assert_eq!(seen.get(), 1);
        });
        done.set(1);
        flag.store(true, SeqCst);
        queue.wake_one();
        sleeper.join().unwrap();
    });
}

#[test]
fn sync_each_gets_one_of_two() {
    model_with_switches(2, || {
        let (queue, tokens) = (queue(), StdArc::new(AtomicU32::new(0)));
        tokens.store(0, Relaxed);
        let sleepers: Vec<_> = (0..2)
            .map(|_| {
                let (queue, tokens) = (queue.clone(), tokens.clone());
                thread::spawn(move || {
                    as_task(|| {
                        let take = || {
                            tokens.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok()
                        };
                        let sleep = models::state::Sleep::Uninterruptible;
                        assert!(queue.wait_map_exclusive(sleep, None, take).is_ok());
                    });
                })
            })
            .collect();
        for _ in 0..2 {
            tokens.fetch_add(1, Relaxed);
            queue.wake_one();
        }
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert!(queue.is_empty());
    });
}

/// Notes that it was told.
#[derive(Default)]
struct Told(std::sync::atomic::AtomicBool);

impl Notify for Told {
    fn notify(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn sync_who_watches_is_told_or_sees() {
    model(|| {
        let (queue, flag) = (queue(), flag());
        let (watched, watched_flag) = (queue.clone(), flag.clone());
        let watcher = thread::spawn(move || {
            let told = Arc::new(Told::default());
            let watch = Watch::new(watched, &told);
            let sees = watched_flag.load(Relaxed);
            (sees, told, watch)
        });
        flag.store(true, Relaxed);
        queue.wake_all();
        let (sees, told, watch) = watcher.join().unwrap();
        assert!(sees || told.0.load(std::sync::atomic::Ordering::Relaxed), "it is not told");
        drop(watch);
    });
}

#[test]
fn sync_a_completion_hands_over_what_was_done_before() {
    model(|| {
        let (completion, done) = (completion(), StdArc::new(Tracked::new(0)));
        let (waited, seen) = (completion.clone(), done.clone());
        let waiter = thread::spawn(move || {
            as_task(|| waited.wait());
            assert_eq!(seen.get(), 1);
        });
        done.set(1);
        completion.complete();
        waiter.join().unwrap();
        assert!(!completion.is_done());
    });
}

#[test]
fn sync_a_completion_of_all() {
    model(|| {
        let (completion, done) = (completion(), StdArc::new(Tracked::new(0)));
        let (waited, seen) = (completion.clone(), done.clone());
        let waiter = thread::spawn(move || {
            as_task(|| waited.wait());
            assert_eq!(seen.get(), 1);
        });
        done.set(1);
        completion.complete_all();
        as_task(|| completion.wait());
        waiter.join().unwrap();
        assert!(completion.is_done());
    });
}
