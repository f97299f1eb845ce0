//! System V's queues: nobody waits for what is there, and every wait ends.

use std::sync::Arc;

use errno::Errno;
use ipc::message::{self, Message, Queue, Selection};
use ipc::permissions::Create;
use machine::sim;
use process::{Signal, credentials, current_process, kill};

use crate::harness::{Count, dawdle, fork, is_killed, over_seeds, wait};

const CREATE: Create = Create { make: true, exclusive: false, mode: 0o600 };

fn new_queue(bytes: u64) -> Arc<Queue> {
    let queue = message::get(0, CREATE, &credentials()).unwrap();
    let owner = ipc::permissions::NewOwner { uid: 0, gid: 0, mode: 0o600 };
    queue.set(&owner, bytes, &credentials()).unwrap();
    queue
}

fn remove(queue: &Queue) {
    message::remove(queue.number(), &credentials()).unwrap();
}

fn send(queue: &Queue, kind: i64, text: &[u8]) -> Result<(), Errno> {
    let message = Message { kind, text: text.to_vec() };
    queue.send(message, true, &credentials(), current_process().pid())
}

fn receive(queue: &Queue, selection: Selection) -> Result<Message, Errno> {
    queue.receive(selection, 100, false, true, &credentials(), current_process().pid())
}

/// Senders of different sizes and receivers of different types: all comes through, in order for each type.
#[test]
fn c07_messages_all_come_through() {
    over_seeds(300, 3, || {
        const EACH: u8 = 4;
        let queue = new_queue(6);
        for kind in 1..=2 {
            let theirs = queue.clone();
            fork(move || {
                for number in 0..EACH {
                    dawdle();
                    let text = vec![number; 1 + sim::random(5) as usize];
                    send(&theirs, kind, &text).unwrap();
                }
            });
            let theirs = queue.clone();
            fork(move || {
                for number in 0..EACH {
                    dawdle();
                    let message = receive(&theirs, Selection::OfType(kind)).unwrap();
                    assert_eq!((message.kind, message.text[0]), (kind, number));
                }
            });
        }
        wait(4);
        assert_eq!((queue.status().messages, queue.status().bytes), (0, 0));
        remove(&queue);
    });
}

/// Whoever waits when the queue goes, or comes after that, is told.
#[test]
fn c07_removal_ends_all_waits() {
    over_seeds(300, 3, || {
        let queue = new_queue(1);
        let full = new_queue(1);
        send(&full, 1, b"x").unwrap();
        let told = Count::default();
        for _ in 0..2 {
            let (theirs, count) = (queue.clone(), told.clone());
            fork(move || {
                dawdle();
                assert_eq!(receive(&theirs, Selection::First).err(), Some(Errno::EIDRM));
                count.add(1);
            });
            let (theirs, count) = (full.clone(), told.clone());
            fork(move || {
                dawdle();
                assert_eq!(send(&theirs, 1, b"y"), Err(Errno::EIDRM));
                count.add(1);
            });
        }
        dawdle();
        remove(&queue);
        remove(&full);
        wait(4);
        assert_eq!(told.get(), 4);
        assert_eq!(message::find(queue.number()).err(), Some(Errno::EINVAL));
    });
}

/// A receiver is killed while a message comes: the message is there for another, or gone with who had it already.
#[test]
fn c07_a_killed_receiver_takes_nothing_along() {
    over_seeds(300, 3, || {
        let queue = new_queue(10);
        let taken = Count::default();
        let (theirs, count) = (queue.clone(), taken.clone());
        let child = fork(move || match receive(&theirs, Selection::First) {
            Ok(_) => count.add(1),
            Err(error) => {
                assert_eq!(error, Errno::ERESTARTNOHAND);
                assert!(is_killed());
            }
        });
        let theirs = queue.clone();
        fork(move || {
            dawdle();
            send(&theirs, 1, b"x").unwrap();
        });
        dawdle();
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        wait(2);
        assert_eq!(queue.status().messages + u64::from(taken.get()), 1);
        remove(&queue);
    });
}

/// More room, given by the owner, is seen by who waits for it; and so is a permission that is taken away.
#[test]
fn c07_what_the_owner_changes_is_seen_by_who_waits() {
    over_seeds(200, 2, || {
        let queue = new_queue(1);
        send(&queue, 1, b"x").unwrap();
        let theirs = queue.clone();
        fork(move || {
            dawdle();
            send(&theirs, 1, b"y").unwrap();
        });
        dawdle();
        let owner = ipc::permissions::NewOwner { uid: 0, gid: 0, mode: 0o600 };
        queue.set(&owner, 2, &credentials()).unwrap();
        wait(1);
        assert_eq!(queue.status().messages, 2);
        remove(&queue);
    });
}
