//! POSIX queues: messages go from hand to hand, and none is lost or doubled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use time::Moment;

use errno::Errno;
use ipc::posix::{Attributes, Message, Notify, Queue, Wait};
use machine::sim;
use process::signal::{Action, ActionFlags, Handler, set_action};
use process::{Signal, Thread, kill};

use crate::harness::{Count, HANDLED, dawdle, fork, is_killed, over_seeds, wait};

const FOREVER: Wait = Wait::Until(None);

fn new_queue(messages: usize) -> Arc<Queue> {
    let user = Thread::of(&sched::current()).user();
    Arc::new(Queue::new(Attributes { messages, size: 8 }, user, u64::MAX).unwrap())
}

fn send(queue: &Queue, priority: u32, number: u8, wait: Wait) -> Result<(), Errno> {
    queue.send(Message { priority, text: vec![number] }, wait)
}

fn receive(queue: &Queue, wait: Wait) -> Result<(u32, u8), Errno> {
    queue.receive(8, wait).map(|message| (message.priority, message.text[0]))
}

fn soon() -> Wait {
    Wait::Until(Some(Moment::Elapsed(time::monotonic() + sim::random(30_000))))
}

#[test]
fn c07_posix_messages_all_come_through() {
    over_seeds(300, 3, || {
        const EACH: u8 = 4;
        let queue = new_queue(2);
        let sum = Count::default();
        for base in [0, 10] {
            let theirs = queue.clone();
            fork(move || {
                for number in 0..EACH {
                    dawdle();
                    send(&theirs, sim::random(3) as u32, base + number, FOREVER).unwrap();
                }
            });
            let (theirs, sum) = (queue.clone(), sum.clone());
            fork(move || {
                for _ in 0..EACH {
                    dawdle();
                    sum.add(receive(&theirs, FOREVER).unwrap().1.into());
                }
            });
        }
        wait(4);
        assert_eq!((queue.count(), sum.get()), (0, 2 * 6 + 4 * 10));
    });
}

/// Waits end by time, by a signal or with a message: one that was sent is received, unless its sender has been told otherwise.
#[test]
fn c07_posix_waits_that_end_early_lose_nothing() {
    over_seeds(400, 3, || {
        let queue = new_queue(1);
        let (sent, received) = (Count::default(), Count::default());
        let mut children = Vec::new();
        for _ in 0..3 {
            let (theirs, sent) = (queue.clone(), sent.clone());
            children.push(fork(move || {
                dawdle();
                match send(&theirs, 1, 1, soon()) {
                    Ok(()) => sent.add(1),
                    Err(Errno::ERESTARTSYS) => assert!(is_killed()),
                    Err(error) => assert_eq!(error, Errno::ETIMEDOUT),
                }
            }));
            let (theirs, received) = (queue.clone(), received.clone());
            children.push(fork(move || {
                dawdle();
                match receive(&theirs, soon()) {
                    Ok(_) => received.add(1),
                    Err(Errno::ERESTARTSYS) => assert!(is_killed()),
                    Err(error) => assert_eq!(error, Errno::ETIMEDOUT),
                }
            }));
        }
        for &child in &children {
            if sim::random(3) == 0 {
                // It may have ended.
                let _ = kill(child as i32, Some(Signal::SIGKILL));
            }
            dawdle();
        }
        wait(children.len());
        while receive(&queue, Wait::No).is_ok() {
            received.add(1);
        }
        assert_eq!(sent.get(), received.get());
    });
}

/// Of those who wait to receive, who matters most is served first, and of equals who has waited longest.
#[test]
fn c07_posix_waiters_are_served_in_order() {
    over_seeds(50, 2, || {
        let queue = new_queue(1);
        let order = Count::default();
        for (place, nice) in [(0, 0), (1, 5), (2, -5), (3, 0)] {
            let (theirs, order) = (queue.clone(), order.clone());
            fork(move || {
                let mut attributes = sched::current().attributes();
                attributes.nice = nice;
                sched::set_attributes(&sched::current_ref(), attributes).unwrap();
                let (_, number) = receive(&theirs, FOREVER).unwrap();
                order.add(u32::from(number) << (8 * place));
            });
            // It waits by then.
            sched::sleep_for(10 * time::MILLISECOND);
        }
        for number in 1..=4 {
            send(&queue, 1, number, FOREVER).unwrap();
        }
        wait(4);
        assert_eq!(order.get().to_le_bytes(), [2, 4, 1, 3]);
    });
}

/// One signal for one message into the empty queue, unless somebody waits for that.
#[test]
fn c07_posix_notification_comes_once() {
    over_seeds(200, 3, || {
        let action =
            Action { handler: Handler::User(1), flags: ActionFlags::empty(), ..Action::DEFAULT };
        set_action(Signal::SIGUSR1, Some(action)).unwrap();
        let told = Count::default();
        let queue = new_queue(4);
        queue.notify(Notify::Signal(Some(Signal::SIGUSR1), 7)).unwrap();
        assert_eq!(queue.notify(Notify::Nothing), Err(Errno::EBUSY));
        for _ in 0..2 {
            let theirs = queue.clone();
            fork(move || {
                theirs.forget_current();
                dawdle();
                send(&theirs, 1, 1, FOREVER).unwrap();
            });
        }
        for _ in 0..2 {
            while let Err(error) = receive(&queue, FOREVER) {
                assert_eq!(error, Errno::ERESTARTSYS);
                assert!(!is_killed());
            }
        }
        wait(2);
        assert!(!is_killed());
        // The first message went into the empty queue, or straight to who waited; in that case the second one may have
        // done so as well.
        told.add(HANDLED.swap(0, Ordering::SeqCst));
        assert!(told.get() <= 1, "{} signals", told.get());
        queue.forget_current();
    });
}

/// Time is up, or a signal comes, as the message does: whoever is told that there was none leaves it to others.
#[test]
fn c07_posix_a_message_at_the_last_moment() {
    over_seeds(1500, 2, || {
        let queue = new_queue(1);
        let received = Count::default();
        let (theirs, count) = (queue.clone(), received.clone());
        let moment = time::monotonic() + 20_000 + sim::random(3_000);
        let child =
            fork(move || match receive(&theirs, Wait::Until(Some(Moment::Elapsed(moment)))) {
                Ok(_) => count.add(1),
                Err(Errno::ERESTARTSYS) => assert!(is_killed()),
                Err(error) => assert_eq!(error, Errno::ETIMEDOUT),
            });
        sched::sleep_until(moment - sim::random(2_000));
        if sim::random(3) == 0 {
            let _ = kill(child as i32, Some(Signal::SIGKILL));
        }
        send(&queue, 1, 1, Wait::No).unwrap();
        wait(1);
        assert_eq!(queue.count() as u32 + received.get(), 1);
    });
}
