//! Policies, nice values and priorities, and what each task carries of them.

use alloc::boxed::Box;
use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst,
};

use errno::Errno;
use sync::Once;

use crate::deadline;
use crate::runqueue;
use crate::state::WAKING;
use crate::task::TaskRef;
use crate::urgency::{self, Rare};

/// How a task is scheduled, with Linux's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// Fair, by nice value (SCHED_OTHER).
    Normal = 0,
    /// Real time: runs until it sleeps or yields.
    Fifo = 1,
    /// Real time: takes turns with its equals.
    RoundRobin = 2,
    /// Fair, and never preempts on waking.
    Batch = 3,
    /// Fair, with the least weight.
    Idle = 5,
    /// So much runtime in each period, by a deadline. Set by [`set_deadline`](crate::set_deadline).
    Deadline = 6,
    /// Above all: the stopper threads. Not for user space; shown as FIFO 99.
    Stop = 254,
    /// A CPU's idle task.
    IdleTask = 255,
}

impl Policy {
    /// From the number that user space uses; None for one that user space cannot set.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::Fifo),
            2 => Some(Self::RoundRobin),
            3 => Some(Self::Batch),
            5 => Some(Self::Idle),
            6 => Some(Self::Deadline),
            _ => None,
        }
    }

    /// The number that user space sees.
    pub const fn number(self) -> u32 {
        match self {
            Self::Stop => Self::Fifo as u32,
            Self::IdleTask => Self::Normal as u32,
            other => other as u32,
        }
    }

    /// Whether it is FIFO or round robin.
    pub const fn is_real_time(self) -> bool {
        matches!(self, Self::Fifo | Self::RoundRobin)
    }

    /// How long a task runs while others of its rank wait, in nanoseconds; 0: until it sleeps.
    pub const fn time_slice(self) -> u64 {
        match self {
            Self::RoundRobin => crate::class::TURN,
            Self::Normal | Self::Batch | Self::Idle => crate::class::fair::SLICE,
            Self::Fifo | Self::Deadline | Self::Stop | Self::IdleTask => 0,
        }
    }

    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Stop => Class::Stop,
            Self::Deadline => Class::Deadline,
            Self::Fifo | Self::RoundRobin => Class::RealTime,
            Self::Normal | Self::Batch | Self::Idle => Class::Fair,
            Self::IdleTask => Class::Idle,
        }
    }

    const fn from_stored(number: u8) -> Self {
        match number {
            254 => Self::Stop,
            255 => Self::IdleTask,
            number => match Self::from_number(number as u32) {
                Some(policy) => policy,
                None => Self::Normal,
            },
        }
    }
}

/// The classes, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Class {
    Stop = 0,
    Deadline = 1,
    RealTime = 2,
    Fair = 3,
    Idle = 4,
}

/// How a task is to be scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The policy.
    pub policy: Policy,
    /// -20 (most) to 19 (least), for the fair policies; kept for the others.
    pub nice: i8,
    /// 1 (least) to 99 (most) for real time, 0 for the others.
    pub priority: u8,
    /// Children start with default attributes.
    pub reset_on_fork: bool,
}

impl Attributes {
    /// Normal, nice 0.
    pub const NORMAL: Self =
        Self { policy: Policy::Normal, nice: 0, priority: 0, reset_on_fork: false };
    pub(crate) const IDLE_TASK: Self =
        Self { policy: Policy::IdleTask, nice: 0, priority: 0, reset_on_fork: false };
    /// The stopper's.
    pub const STOP: Self =
        Self { policy: Policy::Stop, nice: 0, priority: 99, reset_on_fork: false };

    /// Checks the fields against each other.
    ///
    /// # Errors
    /// EINVAL: nice or priority out of range, or a priority that the policy does not have.
    pub fn validate(&self) -> Result<(), Errno> {
        let priority_fits = match self.policy {
            Policy::Fifo | Policy::RoundRobin => (1..=99).contains(&self.priority),
            Policy::Stop => self.priority == 99,
            _ => self.priority == 0,
        };
        if priority_fits && (-20..=19).contains(&self.nice) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// In one word, so that they change as one.
    fn pack(&self) -> u32 {
        u32::from_le_bytes([
            self.policy as u8,
            self.nice.cast_unsigned(),
            self.priority,
            u8::from(self.reset_on_fork),
        ])
    }

    pub(crate) fn unpack(word: u32) -> Self {
        let [policy, nice, priority, reset] = word.to_le_bytes();
        Self {
            policy: Policy::from_stored(policy),
            nice: nice.cast_signed(),
            priority,
            reset_on_fork: reset != 0,
        }
    }

    /// The priority as Linux counts inside: -1 is deadline, 0 to 98 real time, 100 to 139 nice -20 to 19.
    pub const fn internal_priority(&self) -> i32 {
        match self.policy {
            Policy::Deadline => -1,
            Policy::Stop | Policy::Fifo | Policy::RoundRobin => 99 - self.priority as i32,
            _ => 120 + self.nice as i32,
        }
    }

    fn weight(&self) -> u32 {
        match self.policy {
            Policy::Idle => WEIGHT_OF_IDLE_POLICY,
            _ => weight_of_nice(self.nice),
        }
    }
}

/// The weight of nice 0; a nice value up or down changes a task's share by about 10 %.
pub(crate) const WEIGHT_OF_NICE_0: u32 = 1024;
const WEIGHT_OF_IDLE_POLICY: u32 = 3;

/// Linux's weights, for nice -20 to 19.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];

/// The weight of a nice value, which is cut to its range.
pub fn weight_of_nice(nice: i8) -> u32 {
    WEIGHTS[usize::from((nice.clamp(-20, 19) + 20).unsigned_abs())]
}

/// What a task carries for its class.
///
/// What is `wanted` of it may change at any time. All else is in force while the task is on a queue, and changes only under
/// that queue's lock: a class finds a task again by the attributes under which it took it in. Those fields are atomic so
/// that this needs no `unsafe`, not because they are raced for.
pub(crate) struct Entity {
    ///
    /// Attributes, packed, in the lower half; in the upper a number that changes with all that has to do with the deadline class, and with what the
    /// task is lent, so that what is wanted is seen to differ from what is in force if only these do.
    wanted: AtomicU64,
    /// What is in force, packed like what is wanted; the next four follow from it.
    in_force: AtomicU64,
    class: AtomicU8,
    policy: AtomicU8,
    priority: AtomicU8,
    pub(crate) weight: AtomicU32,
    /// Fair: how far behind the queue's average it was when it left.
    pub(crate) lag: AtomicI64,
    /// Fair: has been placed on a queue before.
    pub(crate) placed: AtomicBool,
    /// Round robin: what is left of the turn, in nanoseconds.
    pub(crate) turn_left: AtomicU64,
    /// What few tasks have: the deadline class's part, and what others lend.
    pub(crate) rare: Once<Box<Rare>>,
}

impl Entity {
    pub(crate) fn new(attributes: Attributes) -> Self {
        Self {
            wanted: AtomicU64::new(attributes.pack().into()),
            in_force: AtomicU64::new(attributes.pack().into()),
            class: AtomicU8::new(attributes.policy.class() as u8),
            policy: AtomicU8::new(attributes.policy as u8),
            priority: AtomicU8::new(attributes.priority),
            weight: AtomicU32::new(attributes.weight()),
            lag: AtomicI64::new(0),
            placed: AtomicBool::new(false),
            turn_left: AtomicU64::new(crate::class::TURN),
            rare: Once::new(),
        }
    }

    /// What is wanted. SeqCst: see [`set_attributes`].
    pub(crate) fn wanted(&self) -> Attributes {
        Attributes::unpack(self.wanted_word() as u32)
    }

    pub(crate) fn wanted_word(&self) -> u64 {
        self.wanted.load(SeqCst)
    }

    /// Says what is wanted from now on, with the admission of deadline tasks locked; that class is one side of the change.
    pub(crate) fn want_anew(&self, attributes: Attributes) {
        let number = (self.wanted_word() >> 32).wrapping_add(1);
        self.wanted.store(number << 32 | u64::from(attributes.pack()), SeqCst);
    }

    /// Has what is wanted put in force once more: what the task is lent has changed, with the admission of deadline tasks locked.
    pub(crate) fn want_same_anew(&self) {
        self.wanted.fetch_add(1 << 32, SeqCst);
    }

    /// Puts what is wanted in force; under the lock of the task's queue, while it is on none.
    #[inline]
    pub(crate) fn adopt(&self) {
        let wanted = self.wanted.load(SeqCst);
        if wanted != self.in_force.load(Relaxed) {
            self.put_in_force(wanted);
        }
    }

    #[cold]
    fn put_in_force(&self, wanted: u64) {
        let (wanted, raised) = match self.rare.get() {
            Some(rare) => self.adopt_parameters(rare),
            None => (wanted, Attributes::unpack(wanted as u32)),
        };
        self.take_as_in_force(wanted, raised);
    }

    /// `raised`: what is wanted, with what the task is lent.
    pub(crate) fn take_as_in_force(&self, wanted: u64, raised: Attributes) {
        self.in_force.store(wanted, Relaxed);
        self.class.store(raised.policy.class() as u8, Relaxed);
        self.policy.store(raised.policy as u8, Relaxed);
        self.priority.store(raised.priority, Relaxed);
        self.weight.store(raised.weight(), Relaxed);
    }

    /// Whether its policy is this one.
    #[inline]
    pub(crate) fn is(&self, policy: Policy) -> bool {
        self.policy.load(Relaxed) == policy as u8
    }

    #[inline]
    pub(crate) fn class(&self) -> Class {
        match self.class.load(Relaxed) {
            0 => Class::Stop,
            1 => Class::Deadline,
            2 => Class::RealTime,
            3 => Class::Fair,
            _ => Class::Idle,
        }
    }

    #[inline]
    pub(crate) fn is_fair(&self) -> bool {
        self.class.load(Relaxed) == Class::Fair as u8
    }

    pub(crate) fn rt_priority(&self) -> u8 {
        self.priority.load(Relaxed)
    }
}

impl crate::Task {
    /// How the task is scheduled.
    pub fn attributes(&self) -> Attributes {
        self.entity.wanted()
    }
}

/// Changes how a task is scheduled, wherever it is. From a task, without a run-queue lock.
///
/// The race with a waker is that of `affinity.rs`: what is wanted is written before the state is looked at, and a waker
/// claims the task before it reads what is wanted.
///
/// # Errors
/// EINVAL: the attributes contradict themselves, or are of the deadline class and the task is not: [`set_deadline`](crate::set_deadline)
/// makes it so.
#[inline]
pub fn set_attributes(task: &TaskRef, attributes: Attributes) -> Result<(), Errno> {
    // What somebody wanted before does not contradict itself.
    if task.entity.wanted_word() as u32 == attributes.pack() {
        return Ok(());
    }
    change_attributes(task, attributes)
}

#[inline(never)]
fn change_attributes(task: &TaskRef, attributes: Attributes) -> Result<(), Errno> {
    attributes.validate()?;
    let mut old = task.entity.wanted_word();
    loop {
        let policy = Attributes::unpack(old as u32).policy;
        if old as u32 == attributes.pack() {
            // Whoever wanted the same before sees to it.
            return Ok(());
        }
        if policy == Policy::Deadline || attributes.policy == Policy::Deadline {
            deadline::change_class(task, attributes)?;
            break;
        }
        let new = old >> 32 << 32 | u64::from(attributes.pack());
        match task.entity.wanted.compare_exchange(old, new, SeqCst, SeqCst) {
            Ok(_) => break,
            Err(current) => old = current,
        }
    }
    put_in_force(task);
    urgency::attributes_changed(task);
    Ok(())
}

/// Puts what is wanted of a task in force, unless it sleeps: then its waker does.
pub(crate) fn put_in_force(task: &TaskRef) {
    loop {
        if task.state() & WAKING != 0 {
            machine::cpu::relax();
            continue;
        }
        let mut queue = runqueue::lock_of(task);
        if task.is_queued() {
            queue.adopt_attributes(task);
        } else if task.state() & WAKING != 0 {
            continue;
        }
        drop(queue);
        sync::preempt_point();
        return;
    }
}
