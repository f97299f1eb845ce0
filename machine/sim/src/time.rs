//! Virtual time: it moves a little at each point, and jumps when all CPUs are halted.

use std::sync::OnceLock;
use std::time::Instant;

use contract::Counter;

use crate::machine::{NEVER, here};
use crate::schedule;
use crate::trace::Event;

/// 1 January 2025, 0:00 UTC, when `now` is 0.
const BOOT_DATE: u64 = 1_735_689_600;

/// Nanoseconds since boot; outside of a run, since the host process first asked.
#[inline]
#[must_use]
pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let machine = here();
    if machine.aside.get() {
        return machine.clock.get();
    }
    if !machine.active.get() {
        return START.get_or_init(Instant::now).elapsed().as_nanos() as u64;
    }
    // Takes its time, as all code does, so that a loop on the clock ends.
    schedule::point(machine);
    machine.clock.get()
}

/// The counter behind the clock counts nanoseconds.
#[inline]
#[must_use]
pub fn counter() -> u64 {
    now()
}

/// How the clock is made of it: it is the same.
#[must_use]
pub fn rate() -> Counter {
    Counter { start: 0, tick_length: 1 << 32 }
}

/// Sets, moves or (`None`) clears this CPU's timer.
pub fn set_timer(deadline: Option<u64>) {
    let machine = here();
    let cpu = machine.cpu();
    cpu.deadline.set(deadline.unwrap_or(NEVER));
    if machine.active.get() {
        machine.trace.record(machine, Event::Timer, "", deadline.unwrap_or(NEVER));
        schedule::point(machine);
    }
}

/// Seconds since 1970 when `now` was 0.
#[must_use]
pub fn boot_date() -> u64 {
    BOOT_DATE
}

/// Programs here are lists of steps, and read no counter.
#[must_use]
pub fn user_counter() -> Option<Counter> {
    None
}
