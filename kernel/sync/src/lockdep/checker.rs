//! What the lock checker remembers, and how it finds a cycle.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::{LockClass, RunningThread};
use crate::PerCpu;

/// The most classes there may be.
const MAX_CLASSES: usize = 192;
const WORDS: usize = MAX_CLASSES / 64;
/// The most locks that one CPU or one task holds at a time.
const MAX_HELD: usize = 24;

/// Taken by an interrupt handler at some time.
const IN_IRQ: u8 = 1;
/// Taken with interrupts on at some time.
const IRQS_ON: u8 = 2;
/// Taken by a softirq handler at some time.
const IN_SOFTIRQ: u8 = 4;
/// Taken where a softirq could come in at some time.
const SOFTIRQS_ON: u8 = 8;

/// A class's place in the graph.
pub(crate) struct Node {
    /// Its row, plus one; 0 before the first use.
    number: AtomicUsize,
    usage: AtomicU8,
}

impl Node {
    pub(crate) const fn new() -> Self {
        Self { number: AtomicUsize::new(0), usage: AtomicU8::new(0) }
    }
}

/// All classes in use, by number.
static CLASSES: [AtomicPtr<LockClass>; MAX_CLASSES] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CLASSES];
static CLASS_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Row `a`, bit `b`: `b` was taken while `a` was held.
static AFTER: [[AtomicU64; WORDS]; MAX_CLASSES] =
    [const { [const { AtomicU64::new(0) }; WORDS] }; MAX_CLASSES];

/// After the first report the checker keeps quiet: the report itself takes locks.
static QUIET: AtomicBool = AtomicBool::new(false);

/// A list of held locks. Changed only by its owner (the CPU with preemption off, or the running task);
/// the atomics make reading it from a report harmless.
pub struct Held {
    count: AtomicUsize,
    classes: [AtomicPtr<LockClass>; MAX_HELD],
}

impl Default for Held {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            classes: [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_HELD],
        }
    }

    /// How many locks are held.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = &'static LockClass> {
        self.classes[..self.len().min(MAX_HELD)].iter().filter_map(|slot| {
            let class = slot.load(Ordering::Relaxed);
            // SAFETY: only `push` stores here, and it stores `&'static` references.
            unsafe { class.as_ref() }
        })
    }

    fn push(&self, class: &'static LockClass) {
        let count = self.len();
        if count == MAX_HELD {
            report(format_args!("more than {MAX_HELD} locks held: {self}, now {}", class.name));
        }
        self.classes[count].store(core::ptr::from_ref(class).cast_mut(), Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, class: &'static LockClass) {
        let count = self.len();
        let found = (0..count)
            .rev()
            .find(|&i| core::ptr::eq(self.classes[i].load(Ordering::Relaxed).cast_const(), class));
        let Some(found) = found else {
            if !QUIET.load(Ordering::Relaxed) {
                report(format_args!("{} released and not held; held: {self}", class.name));
            }
            return;
        };
        for i in found..count - 1 {
            let next = self.classes[i + 1].load(Ordering::Relaxed);
            self.classes[i].store(next, Ordering::Relaxed);
        }
        self.count.store(count - 1, Ordering::Relaxed);
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (i, class) in self.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, class.name)?;
        }
        Ok(())
    }
}

/// The spin locks that each CPU holds.
static HELD: PerCpu<Held> = crate::per_cpu!(Held::new());

pub(super) fn held_here() -> &'static Held {
    HELD.this()
}

fn number_of(class: &'static LockClass) -> usize {
    let number = class.graph.number.load(Ordering::Acquire);
    if number != 0 {
        return number - 1;
    }
    let fresh = CLASS_COUNT.fetch_add(1, Ordering::Relaxed);
    assert!(fresh < MAX_CLASSES, "more than {MAX_CLASSES} lock classes");
    CLASSES[fresh].store(core::ptr::from_ref(class).cast_mut(), Ordering::Release);
    // Two CPUs may number a class at once; the first keeps, the other's row stays unused.
    match class.graph.number.compare_exchange(0, fresh + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(theirs) => theirs - 1,
    }
}

fn has_edge(from: usize, to: usize) -> bool {
    AFTER[from][to / 64].load(Ordering::Relaxed) & (1 << (to % 64)) != 0
}

/// Whether `goal` was ever taken under `from`, directly or through others.
fn reaches(from: usize, goal: usize) -> bool {
    let mut seen = [0u64; WORDS];
    let mut waiting = [0u64; WORDS];
    waiting[from / 64] |= 1 << (from % 64);
    loop {
        let Some(word) = waiting.iter().position(|&bits| bits != 0) else { return false };
        let node = word * 64 + waiting[word].trailing_zeros() as usize;
        waiting[word] &= waiting[word] - 1;
        seen[word] |= 1 << (node % 64);
        if has_edge(node, goal) {
            return true;
        }
        for (i, after) in AFTER[node].iter().enumerate() {
            waiting[i] |= after.load(Ordering::Relaxed) & !seen[i];
        }
    }
}

/// Learns "`held` before `class`", and reports if the opposite is known.
#[track_caller]
fn learn(held: &'static LockClass, class: &'static LockClass) {
    let (first, second) = (number_of(held), number_of(class));
    if has_edge(first, second) {
        return;
    }
    if reaches(second, first) {
        report(format_args!(
            "possible circular locking: {} is taken while {} is held, and elsewhere {} comes first",
            class.name, held.name, class.name
        ));
    }
    AFTER[first][second / 64].fetch_or(1 << (second % 64), Ordering::Relaxed);
}

fn note_usage(class: &'static LockClass) {
    let mut now = 0;
    if crate::preempt::in_hardirq() {
        now = IN_IRQ;
    } else {
        if crate::preempt::in_serving_softirq() {
            now |= IN_SOFTIRQ;
        }
        if machine::irq::enabled() {
            now |= IRQS_ON;
            if !crate::preempt::in_interrupt() {
                now |= SOFTIRQS_ON;
            }
        }
    }
    let before = class.graph.usage.load(Ordering::Relaxed);
    let all = before | now;
    if all == before {
        return;
    }
    for (inside, on, what, on_what) in [
        (IN_IRQ, IRQS_ON, "an interrupt", "interrupts"),
        (IN_SOFTIRQ, SOFTIRQS_ON, "a softirq", "softirqs"),
    ] {
        if all & inside != 0 && all & on != 0 {
            report(format_args!(
                "inconsistent lock state: {} is taken in {what} and also with {on_what} on",
                class.name
            ));
        }
    }
    class.graph.usage.fetch_or(now, Ordering::Relaxed);
}

#[track_caller]
pub(super) fn acquire_spinning(class: &'static LockClass, nested: bool) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    let held = held_here();
    for other in held.iter() {
        if !core::ptr::eq(other, class) {
            learn(other, class);
        } else if !nested {
            report(format_args!("possible recursive locking of {}", class.name));
        }
    }
    note_usage(class);
    held.push(class);
}

pub(super) fn acquired_by_trying(class: &'static LockClass) {
    if !QUIET.load(Ordering::Relaxed) {
        note_usage(class);
        held_here().push(class);
    }
}

pub(super) fn release_spinning(class: &'static LockClass) {
    if !QUIET.load(Ordering::Relaxed) {
        held_here().remove(class);
    }
}

#[track_caller]
pub(super) fn acquire_sleeping(class: &'static LockClass, held: &Held, nested: bool) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    for other in held.iter() {
        if !core::ptr::eq(other, class) {
            learn(other, class);
        } else if !nested {
            report(format_args!("possible recursive locking of {}", class.name));
        }
    }
    held.push(class);
}

pub(super) fn acquired_sleeping_by_trying(class: &'static LockClass, held: &Held) {
    if !QUIET.load(Ordering::Relaxed) {
        held.push(class);
    }
}

#[track_caller]
pub(super) fn report_sleep_in_atomic() -> ! {
    let count = machine::cpu::preempt_count();
    let irqs = if machine::irq::enabled() { "on" } else { "off" };
    report(format_args!(
        "sleeping function called in atomic context: preempt count {count:#x}, interrupts {irqs}"
    ))
}

#[track_caller]
#[cold]
fn report(what: fmt::Arguments<'_>) -> ! {
    QUIET.store(true, Ordering::Relaxed);
    panic!(
        "lock checker: {what}; {RunningThread} on CPU {}; spin locks held: {}",
        machine::cpu::id(),
        held_here()
    );
}
