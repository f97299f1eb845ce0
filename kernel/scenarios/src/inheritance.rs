//! Mutexes whose holders run as urgently as the most urgent of those who wait.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use errno::Errno;
use kthread::{Builder, Handle};
use rtmutex::{RtMutex, chains};
use sched::{Attributes, Completion, Policy, Sleep, TaskRef};
use time::Moment;

use crate::deadlines::MS;
use crate::tools::{PATIENCE, dawdle, join_all, random, spawn};

/// Nice 0, as the scheduler counts inside.
pub(crate) const NORMAL: i32 = 120;

pub(crate) fn fifo(priority: u8) -> Attributes {
    Attributes { policy: Policy::Fifo, priority, ..Attributes::NORMAL }
}

/// Takes a mutex, asleep until it is there, the time is up or a signal comes.
pub(crate) fn lock(mutex: &Arc<RtMutex>, sleep: Sleep, deadline: Option<u64>) -> Result<(), Errno> {
    let me = sched::current_ref();
    rtmutex::prepare(&me)?;
    {
        let mut locked = chains();
        if locked.holder(mutex).is_none() {
            locked.hold(mutex, &me);
            return Ok(());
        }
        if locked.may_steal(mutex, &me) {
            locked.steal(mutex, &me);
            return Ok(());
        }
        locked.block(mutex, &me)?;
    }
    loop {
        let granted = || rtmutex::is_granted(&me).then_some(());
        let waited = sched::wait_until_moment(sleep, deadline.map(Moment::Elapsed), granted);
        let mut locked = chains();
        if locked.take_granted(mutex, &me) {
            return Ok(());
        }
        if let Err(error) = waited {
            locked.leave(mutex, &me);
            return Err(error.into());
        }
    }
}

pub(crate) fn unlock(mutex: &Arc<RtMutex>) {
    chains().hand_over(mutex, false);
}

fn until(mut condition: impl FnMut() -> bool) {
    let limit = time::monotonic() + 2 * time::SECOND + PATIENCE;
    while !condition() {
        assert!(time::monotonic() < limit, "it does not come about");
        sched::sleep_for(10_000);
    }
}

fn is_asleep(task: &TaskRef) -> bool {
    task.state() & sched::state::NORMAL != 0 && !task.is_queued()
}

/// A thread that waits for a mutex, and lets go of it when it has it.
fn waiter(name: &str, mutex: &Arc<RtMutex>, attributes: Attributes) -> Handle {
    let mutex = mutex.clone();
    Builder::new(format_args!("{name}"))
        .attributes(attributes)
        .run(move |_| {
            lock(&mutex, Sleep::Uninterruptible, None).expect("nobody waits for it");
            unlock(&mutex);
            0
        })
        .expect("a thread can be made")
}

/// A thread that holds mutexes until told to let go.
struct Holder {
    thread: Handle,
    go: Arc<Completion>,
}

impl Holder {
    fn of(mutexes: &[&Arc<RtMutex>]) -> Self {
        let go = Arc::new(Completion::new());
        let (wait, has) = (go.clone(), Arc::new(Completion::new()));
        let tell = has.clone();
        let mutexes: Vec<_> = mutexes.iter().map(|mutex| (*mutex).clone()).collect();
        let thread = spawn("holder", move |_| {
            for mutex in &mutexes {
                lock(mutex, Sleep::Uninterruptible, None).expect("it is free");
            }
            tell.complete();
            wait.wait();
            mutexes.iter().for_each(unlock);
            0
        });
        has.wait();
        Self { thread, go }
    }

    fn task(&self) -> &TaskRef {
        self.thread.task()
    }

    fn let_go(self) {
        self.go.complete();
        join_all(alloc::vec![self.thread]);
    }
}

fn is_first(mutex: &Arc<RtMutex>, task: &TaskRef) -> bool {
    chains().first_waiter(mutex).is_some_and(|first| Arc::ptr_eq(first, task))
}

/// What is lent goes through a chain of three, and is taken back link by link.
pub(crate) fn chain_of_three() {
    let (first, second) = (RtMutex::new(), RtMutex::new());
    let end = Holder::of(&[&first]);
    let (mine, theirs) = (second.clone(), first.clone());
    let let_go = Arc::new(Completion::new());
    let wait = let_go.clone();
    let middle = spawn("middle", move |_| {
        lock(&mine, Sleep::Uninterruptible, None).expect("it is free");
        lock(&theirs, Sleep::Uninterruptible, None).expect("it is let go of");
        unlock(&theirs);
        wait.wait();
        unlock(&mine);
        0
    });
    until(|| is_first(&first, middle.task()));
    assert_eq!(end.task().priority_in_force(), NORMAL);
    let urgent = waiter("urgent", &second, fifo(50));
    until(|| is_first(&second, urgent.task()));
    assert_eq!(middle.task().priority_in_force(), 99 - 50);
    assert_eq!(end.task().priority_in_force(), 99 - 50);
    assert_eq!(end.task().attributes(), Attributes::NORMAL, "its own are what they were");
    // Nobody else is lent more than it needs.
    let other = waiter("other", &first, fifo(20));
    until(|| chains().holder(&first).is_some() && other.task().state() != 0);
    assert_eq!(end.task().priority_in_force(), 99 - 50);
    let owner = end.task().clone();
    end.let_go();
    assert_eq!(owner.priority_in_force(), NORMAL);
    // Who held the middle has let go of the first, and not of its own.
    until(|| chains().holder(&first).is_none());
    assert_eq!(middle.task().priority_in_force(), 99 - 50);
    let task = middle.task().clone();
    let_go.complete();
    join_all(alloc::vec![middle, urgent, other]);
    assert_eq!(task.priority_in_force(), NORMAL);
}

/// A waiter that gives up takes back what it lent: along the chain, and to what the next one lends.
pub(crate) fn waiters_give_up() {
    let mutex = RtMutex::new();
    let holder = Holder::of(&[&mutex]);
    let steady = waiter("steady", &mutex, fifo(10));
    until(|| is_first(&mutex, steady.task()));
    let (by_time, by_signal) = (mutex.clone(), mutex.clone());
    let timed = Builder::new(format_args!("timed"))
        .attributes(fifo(60))
        .run(move |_| {
            let until = time::monotonic() + random(3) * MS;
            let outcome = lock(&by_time, Sleep::Interruptible, Some(until));
            assert_eq!(outcome, Err(Errno::ETIMEDOUT));
            0
        })
        .expect("a thread can be made");
    let signalled = Builder::new(format_args!("signalled"))
        .attributes(fifo(40))
        .run(move |_| {
            let outcome = lock(&by_signal, Sleep::Interruptible, None);
            assert_eq!(outcome, Err(Errno::ERESTARTSYS));
            sched::current().remove_signal(sched::SIGNAL_PENDING);
            0
        })
        .expect("a thread can be made");
    join_all(alloc::vec![timed]);
    until(|| is_first(&mutex, signalled.task()));
    assert_eq!(holder.task().priority_in_force(), 99 - 40);
    dawdle();
    signalled.task().add_signal(sched::SIGNAL_PENDING);
    sched::wake_up_state(signalled.task(), sched::state::INTERRUPTIBLE);
    join_all(alloc::vec![signalled]);
    assert_eq!(holder.task().priority_in_force(), 99 - 10);
    holder.let_go();
    join_all(alloc::vec![steady]);
}

/// Tasks in a ring that each hold one mutex and want the next: one of them is refused, and then all get on.
pub(crate) fn deadlock_is_found() {
    let length = 2 + random(4) as usize;
    let ring: Arc<Vec<_>> = Arc::new((0..length).map(|_| RtMutex::new()).collect());
    let (holding, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let threads = (0..length).map(|place| {
        let (ring, holding, refused) = (ring.clone(), holding.clone(), refused.clone());
        spawn("ring", move |_| {
            let (mine, next) = (&ring[place], &ring[(place + 1) % ring.len()]);
            lock(mine, Sleep::Uninterruptible, None).expect("it is free");
            holding.fetch_add(1, SeqCst);
            until(|| holding.load(SeqCst) == ring.len() as u64);
            dawdle();
            match lock(next, Sleep::Uninterruptible, None) {
                Ok(()) => unlock(next),
                Err(error) => {
                    assert_eq!(error, Errno::EDEADLK);
                    refused.fetch_add(1, SeqCst);
                }
            }
            unlock(mine);
            0
        })
    });
    join_all(threads.collect());
    assert_eq!(refused.load(SeqCst), 1);
}

/// What a task holds at its end goes to the most urgent, which learns of it.
pub(crate) fn holder_ends() {
    let mutexes = [RtMutex::new(), RtMutex::new()];
    let (held, go) = (mutexes.clone(), Arc::new(Completion::new()));
    let wait = go.clone();
    let holder = spawn("holder", move |_| {
        for mutex in &held {
            lock(mutex, Sleep::Uninterruptible, None).expect("it is free");
        }
        wait.wait();
        while chains().hand_one_over(&sched::current()) {}
        assert_eq!(sched::current().priority_in_force(), NORMAL);
        0
    });
    until(|| mutexes.iter().all(|mutex| chains().holder(mutex).is_some()));
    let threads = (0..4).map(|number: u8| {
        let mutex = mutexes[usize::from(number % 2)].clone();
        Builder::new(format_args!("heir"))
            .attributes(fifo(10 + number))
            .run(move |_| {
                lock(&mutex, Sleep::Uninterruptible, None).expect("it is handed over");
                let mut locked = chains();
                // Of two that wait for each the more urgent one comes first.
                assert_eq!(locked.is_orphan(&mutex), number >= 2);
                locked.clear_orphan(&mutex);
                locked.hand_over(&mutex, false);
                0
            })
            .expect("a thread can be made")
    });
    let threads: Vec<_> = threads.collect();
    until(|| {
        is_first(&mutexes[0], threads[2].task())
            && is_first(&mutexes[1], threads[3].task())
            && threads.iter().all(|thread| thread.task().state() & sched::state::NORMAL != 0)
    });
    go.complete();
    join_all(alloc::vec![holder]);
    join_all(threads);
    assert!(mutexes.iter().all(|mutex| chains().holder(mutex).is_none()));
}

/// Who waits becomes more or less urgent: it changes its place, and what it lends.
pub(crate) fn urgency_changes() {
    let mutex = RtMutex::new();
    let holder = Holder::of(&[&mutex]);
    let (one, other) = (waiter("one", &mutex, fifo(10)), waiter("other", &mutex, fifo(20)));
    until(|| is_first(&mutex, other.task()));
    until(|| is_asleep(one.task()));
    for priority in [30, 15, 25, 19, 90] {
        sched::set_attributes(one.task(), fifo(priority)).expect("it is a priority");
        let first = if priority > 20 { one.task() } else { other.task() };
        assert!(is_first(&mutex, first));
        assert_eq!(holder.task().priority_in_force(), 99 - i32::from(priority.max(20)));
    }
    sched::set_attributes(one.task(), Attributes::NORMAL).expect("it is a policy");
    sched::set_attributes(other.task(), Attributes::NORMAL).expect("it is a policy");
    assert_eq!(holder.task().priority_in_force(), NORMAL);
    // The holder's own attributes change while it is lent more, and while it is not.
    sched::set_attributes(one.task(), fifo(40)).expect("it is a priority");
    sched::set_attributes(holder.task(), fifo(5)).expect("it is a priority");
    assert_eq!(holder.task().attributes(), fifo(5));
    assert_eq!(holder.task().priority_in_force(), 99 - 40);
    sched::set_attributes(holder.task(), fifo(50)).expect("it is a priority");
    assert_eq!(holder.task().priority_in_force(), 99 - 50);
    sched::set_attributes(holder.task(), fifo(7)).expect("it is a priority");
    assert_eq!(holder.task().priority_in_force(), 99 - 40);
    let task = holder.task().clone();
    holder.let_go();
    assert_eq!(task.priority_in_force(), 99 - 7);
    join_all(alloc::vec![one, other]);
}

/// Who was granted a mutex and has not run since loses it to one more urgent, and to no equal; and gets it after that.
pub(crate) fn stolen() {
    let mutex = RtMutex::new();
    let me = sched::current_ref();
    lock(&mutex, Sleep::Uninterruptible, None).expect("it is free");
    let low = waiter("low", &mutex, Attributes::NORMAL);
    until(|| is_first(&mutex, low.task()));
    {
        // It does not run before the chains are let go of: it has to take them to claim what it was granted.
        let mut locked = chains();
        locked.hand_over(&mutex, false);
        assert!(locked.is_granted_to(&mutex, low.task()));
        assert!(!locked.may_steal(&mutex, &me), "an equal waits its turn");
    }
    until(|| chains().holder(&mutex).is_none());
    join_all(alloc::vec![low]);
    sched::set_attributes(&me, fifo(30)).expect("it is a priority");
    lock(&mutex, Sleep::Uninterruptible, None).expect("it is free");
    let low = waiter("low", &mutex, fifo(10));
    let urgent = waiter("urgent", &mutex, fifo(20));
    until(|| is_first(&mutex, urgent.task()) && is_asleep(low.task()));
    let equal = waiter("equal", &mutex, fifo(20));
    until(|| is_asleep(equal.task()));
    {
        let mut locked = chains();
        locked.hand_over(&mutex, false);
        assert!(locked.may_steal(&mutex, &me));
        locked.steal(&mutex, &me);
        assert!(locked.is_held_by(&mutex, &me));
        // Before its equal, which came later.
        assert!(locked.first_waiter(&mutex).is_some_and(|it| Arc::ptr_eq(it, urgent.task())));
    }
    assert_eq!(me.priority_in_force(), 99 - 30, "a thief is lent nothing");
    (0..random(4)).for_each(|_| dawdle());
    until(|| is_asleep(urgent.task()));
    assert!(chains().is_held_by(&mutex, &me));
    unlock(&mutex);
    join_all(alloc::vec![low, urgent, equal]);
    sched::set_attributes(&me, Attributes::NORMAL).expect("it is a policy");
}

/// Everything at once: taken in any order, with time-outs, and with attributes that change.
pub(crate) fn against_everything() {
    let mutexes: Arc<Vec<_>> = Arc::new((0..3).map(|_| RtMutex::new()).collect());
    let inside: Arc<Vec<_>> = Arc::new((0..3).map(|_| AtomicU64::new(0)).collect());
    let threads = (0..5).map(|_| {
        let (mutexes, inside) = (mutexes.clone(), inside.clone());
        spawn("anybody", move |_| {
            for _ in 0..4 {
                let mut held: Vec<usize> = Vec::new();
                for _ in 0..=random(2) {
                    let which = random(3) as usize;
                    let limit = time::monotonic() + random(60_000);
                    let deadline = (random(3) == 0).then_some(limit);
                    match lock(&mutexes[which], Sleep::Interruptible, deadline) {
                        Ok(()) => {
                            assert_eq!(inside[which].fetch_add(1, SeqCst), 0, "two hold it");
                            held.push(which);
                        }
                        Err(Errno::EDEADLK) => {}
                        Err(error) => assert_eq!(error, Errno::ETIMEDOUT),
                    }
                    dawdle();
                }
                for which in held {
                    inside[which].fetch_sub(1, SeqCst);
                    unlock(&mutexes[which]);
                    dawdle();
                }
            }
            0
        })
    });
    let threads: Vec<_> = threads.collect();
    for _ in 0..12 {
        let one = threads[random(5) as usize].task();
        let attributes = match random(3) {
            0 => Attributes { nice: random(10) as i8, ..Attributes::NORMAL },
            _ => fifo(1 + random(20) as u8),
        };
        sched::set_attributes(one, attributes).expect("they are attributes");
        dawdle();
    }
    // Real-time ones that spin would else be in the way of their own end.
    for thread in &threads {
        sched::set_attributes(thread.task(), Attributes::NORMAL).expect("it is a policy");
    }
    let tasks: Vec<_> = threads.iter().map(|thread| thread.task().clone()).collect();
    join_all(threads);
    assert!(tasks.iter().all(|task| task.priority_in_force() == NORMAL), "something stays lent");
    assert!(mutexes.iter().all(|mutex| chains().holder(mutex).is_none()));
}
