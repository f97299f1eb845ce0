//! Policies, nice values and priorities, and what each task carries of them.

use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst,
};

use errno::Errno;

use crate::runqueue;
use crate::state::WAKING;
use crate::task::TaskRef;

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
            Self::Fifo | Self::Stop | Self::IdleTask => 0,
        }
    }

    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Stop => Class::Stop,
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
    RealTime = 1,
    Fair = 2,
    Idle = 3,
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

    fn unpack(word: u32) -> Self {
        let [policy, nice, priority, reset] = word.to_le_bytes();
        Self {
            policy: Policy::from_stored(policy),
            nice: nice.cast_signed(),
            priority,
            reset_on_fork: reset != 0,
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
#[derive(Debug)]
pub(crate) struct Entity {
    wanted: AtomicU32,
    /// What is in force, packed like what is wanted; the next four follow from it.
    in_force: AtomicU32,
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
}

impl Entity {
    pub(crate) fn new(attributes: Attributes) -> Self {
        Self {
            wanted: AtomicU32::new(attributes.pack()),
            in_force: AtomicU32::new(attributes.pack()),
            class: AtomicU8::new(attributes.policy.class() as u8),
            policy: AtomicU8::new(attributes.policy as u8),
            priority: AtomicU8::new(attributes.priority),
            weight: AtomicU32::new(attributes.weight()),
            lag: AtomicI64::new(0),
            placed: AtomicBool::new(false),
            turn_left: AtomicU64::new(crate::class::TURN),
        }
    }

    /// What is wanted. SeqCst: see [`set_attributes`].
    pub(crate) fn wanted(&self) -> Attributes {
        Attributes::unpack(self.wanted.load(SeqCst))
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
    fn put_in_force(&self, packed: u32) {
        let wanted = Attributes::unpack(packed);
        self.in_force.store(packed, Relaxed);
        self.class.store(wanted.policy.class() as u8, Relaxed);
        self.policy.store(wanted.policy as u8, Relaxed);
        self.priority.store(wanted.priority, Relaxed);
        self.weight.store(wanted.weight(), Relaxed);
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
            1 => Class::RealTime,
            2 => Class::Fair,
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
/// EINVAL: the attributes contradict themselves.
#[inline]
pub fn set_attributes(task: &TaskRef, attributes: Attributes) -> Result<(), Errno> {
    // What somebody wanted before does not contradict itself.
    if task.entity.wanted.load(SeqCst) == attributes.pack() {
        return Ok(());
    }
    change_attributes(task, attributes)
}

#[inline(never)]
fn change_attributes(task: &TaskRef, attributes: Attributes) -> Result<(), Errno> {
    attributes.validate()?;
    if task.entity.wanted.swap(attributes.pack(), SeqCst) == attributes.pack() {
        // Whoever wanted the same before sees to it.
        return Ok(());
    }
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
        return Ok(());
    }
}
