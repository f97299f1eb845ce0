//! What several scenarios use.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kthread::{Builder, Exit, Handle, This};
use machine::CpuId;
use sched::CpuMask;

static EXPECTED_OOPSES: AtomicU64 = AtomicU64::new(0);

/// Says how many oopses the scenario means to cause.
pub(crate) fn expect_oopses(count: u64) {
    EXPECTED_OOPSES.store(count, Ordering::SeqCst);
}

pub(crate) fn expected_oopses() -> u64 {
    EXPECTED_OOPSES.load(Ordering::SeqCst)
}

#[cfg(not(target_os = "none"))]
static EXPECTED_PANIC: sync::Once<&str> = sync::Once::new();

/// Says that the scenario means to end the kernel by a panic, with this in its message or in what was said before it.
#[cfg(not(target_os = "none"))]
pub(crate) fn expect_panic(message: &'static str) {
    assert!(EXPECTED_PANIC.set(message).is_ok(), "a kernel panics once");
}

/// How a panic of the kernel ends the run.
#[cfg(not(target_os = "none"))]
pub(crate) fn panicked(message: &str) -> ! {
    let is_said = |expected: &&str| message.contains(*expected) || was_logged(expected);
    if EXPECTED_PANIC.get().is_some_and(is_said) {
        machine::sim::pass();
    }
    machine::sim::fail(message)
}

#[cfg(not(target_os = "none"))]
fn was_logged(part: &str) -> bool {
    let mut next = 0;
    while let Some(record) = klog::read(next) {
        if record.text.as_str().contains(part) {
            return true;
        }
        next = record.sequence + 1;
    }
    false
}

/// A number below `bound`: the seed's on the simulated machine, anybody's guess on a real one.
pub(crate) fn random(bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    draw() % bound
}

/// How many times longer something gets to happen by itself than the kernel needs for it, where nothing can be waited for.
pub(crate) const SLACK: u64 = if cfg!(target_os = "none") { 20 } else { 1 };

/// How much longer than the kernel needs something may take: a real machine's host may have other things to do and hold any CPU up for any
/// time, so that only what never comes is late there.
pub(crate) const PATIENCE: u64 = if cfg!(target_os = "none") { 60 * time::SECOND } else { 0 };

/// Fails a story that is told [in one of some tries](in_one_of_some_tries).
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(alloc::format!($($why)+));
        }
    };
}
pub(crate) use ensure;

/// Tells a story whose outcome is decided by how much time CPUs get and when. That is the kernel's affair on the simulated machine, where it must be
/// right the first time. On a real one it is also the host's: there it must be right in one of some tries.
pub(crate) fn in_one_of_some_tries(mut story: impl FnMut() -> Result<(), String>) {
    const TRIES: usize = if cfg!(target_os = "none") { 30 } else { 1 };
    let mut wrong = Vec::new();
    for _ in 0..TRIES {
        match story() {
            Ok(()) => return,
            Err(why) => wrong.push(why),
        }
    }
    panic!("it was wrong each time: {wrong:#?}");
}

#[cfg(not(target_os = "none"))]
fn draw() -> u64 {
    machine::sim::random(u64::MAX)
}

#[cfg(target_os = "none")]
fn draw() -> u64 {
    let mut bytes = [0; 8];
    machine::entropy::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Passes a random, short time in one of the ways in which a task can.
pub(crate) fn dawdle() {
    match random(4) {
        0 => {}
        1 => sched::yield_now(),
        2 => sched::sleep_for(random(20_000)),
        _ => (0..random(20)).for_each(|_| machine::cpu::relax()),
    }
}

/// Starts a thread.
pub(crate) fn spawn(name: &str, function: impl FnOnce(&This) -> i32 + Send + 'static) -> Handle {
    Builder::new(format_args!("{name}")).run(function).expect("a thread can be made")
}

/// Waits for threads that end by themselves; each must return 0.
pub(crate) fn join_all(threads: Vec<Handle>) {
    for thread in threads {
        assert_eq!(thread.join(), Exit::Returned(0), "a thread of the scenario failed");
    }
}

/// Where threads meet, to do something at the same moment.
#[derive(Default)]
pub(crate) struct Meeting {
    arrived: AtomicU64,
}

impl Meeting {
    /// Returns when both have come for the `turn`th time, from 0 on, and after a random, very short while.
    pub(crate) fn of_two(&self, turn: u64) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.arrived.load(Ordering::SeqCst) < 2 * (turn + 1) {
            sched::yield_now();
        }
        (0..random(12)).for_each(|_| machine::cpu::relax());
    }
}

/// The CPUs that are online.
pub(crate) fn cpus() -> Vec<CpuId> {
    sched::online().iter().collect()
}

/// Keeps the CPU busy until a time of the monotonic clock, as a computation would.
pub(crate) fn spin_until(deadline: u64) {
    while time::monotonic() < deadline {
        machine::cpu::relax();
    }
}

/// Waits until a thread that counts its turns has made one more.
pub(crate) fn wait_for_progress(turns: &AtomicU64) {
    let before = turns.load(Ordering::SeqCst);
    while turns.load(Ordering::SeqCst) == before {
        sched::sleep_for(1_000);
    }
}

/// A CPU that can be taken away, if there is one.
pub(crate) fn any_but_the_first(all: &[CpuId]) -> Option<CpuId> {
    all.get(1 + random(all.len().max(2) as u64 - 1) as usize).copied()
}

/// Takes CPUs away and brings them back until told to end.
pub(crate) fn unplug_until(over: &Arc<AtomicBool>) -> Handle {
    let over = over.clone();
    spawn("unplug", move |_| {
        let all = cpus();
        while !over.load(Ordering::SeqCst) {
            if let Some(cpu) = any_but_the_first(&all) {
                hotplug::down(cpu).expect("it is not the last");
                dawdle();
                hotplug::up(cpu).expect("it was there before");
            }
            dawdle();
        }
        0
    })
}

/// Goes to a CPU that is there.
pub(crate) fn go_anywhere() {
    let all = cpus();
    let cpu = all[random(all.len() as u64) as usize];
    // It may go at any moment; then it does not matter where this runs.
    let _ = sched::set_allowed(&sched::current_ref(), CpuMask::of(cpu));
}

/// When dropped, puts the date back to where it would be, so that what comes after finds it.
pub(crate) struct RestoreDate {
    offset: u64,
}

impl RestoreDate {
    pub(crate) fn new() -> Self {
        Self { offset: time::realtime_offset() }
    }
}

impl Drop for RestoreDate {
    fn drop(&mut self) {
        time::set_realtime(self.offset + time::monotonic());
    }
}
