//! The monotonic clock, the one-shot timer and the date.
//!
//! The clock is the time-stamp counter, scaled by one multiplication; `clock` finds out how
//! fast it runs. The timer is the local APIC's: where it can, it waits for a value of the same
//! counter, else it counts down by itself.

use crate::clock;
use crate::features::{self, Hypervisor};
use crate::percpu::{self, PerCpu};
use crate::registers::{msr, rdtsc, wrmsr};
use crate::{apic, boot};
use contract::Counter;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

const NANOSECONDS: u128 = 1_000_000_000;
/// How far away a timer that counts down is set at most; it is set again when it gets there.
const LONGEST_COUNT: u64 = u32::MAX as u64;
/// The same for one that waits for a value, in nanoseconds. A program may ask for a time in centuries: that is no value of the counter any
/// more, and would come round as one that has passed. And a hypervisor calculates with what it is told, too.
const LONGEST_WAIT: u64 = 3_600_000_000_000;

/// The counter's value at time 0.
static START: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds a tick of the counter, with 32 bits of fraction.
static TICK_LENGTH: AtomicU64 = AtomicU64::new(0);
/// Ticks of the counter, and of the local timer, a nanosecond, with 32 bits of fraction.
static TICK_RATE: AtomicU64 = AtomicU64::new(0);
static TIMER_RATE: AtomicU64 = AtomicU64::new(0);
static BOOT_DATE: AtomicU64 = AtomicU64::new(0);
static TICK_FREQUENCY: AtomicU64 = AtomicU64::new(0);
/// Whether the timer waits for a value of the counter.
static WAITS: AtomicBool = AtomicBool::new(false);

fn scale(value: u64, factor: &AtomicU64) -> u64 {
    ((u128::from(value) * u128::from(factor.load(Relaxed))) >> 32) as u64
}

/// Measures the clocks and starts the time; once, on the boot CPU.
pub fn start() {
    let Some(rates) = clock::measure() else {
        boot::give_up("no clock to measure the time-stamp counter by");
    };
    TICK_FREQUENCY.store(rates.counter, Relaxed);
    TICK_LENGTH.store(((NANOSECONDS << 32) / u128::from(rates.counter)) as u64, Relaxed);
    TICK_RATE.store(((u128::from(rates.counter) << 32) / NANOSECONDS) as u64, Relaxed);
    TIMER_RATE.store(((u128::from(rates.timer) << 32) / NANOSECONDS) as u64, Relaxed);
    WAITS.store(features::get().tsc_deadline, Relaxed);
    START.store(rdtsc(), Relaxed);
    BOOT_DATE.store(clock::date(), Relaxed);
}

/// How fast the time-stamp counter runs, in Hertz.
pub fn counter_frequency() -> u64 {
    TICK_FREQUENCY.load(Relaxed)
}

/// The counter behind the clock, not before what has been loaded by then.
#[inline]
pub fn counter() -> u64 {
    rdtsc()
}

/// How the clock is made of it.
#[inline]
pub fn rate() -> Counter {
    Counter { start: START.load(Relaxed), tick_length: TICK_LENGTH.load(Relaxed) }
}

/// Nanoseconds since boot; never goes back, the same on all CPUs.
#[inline]
pub fn now() -> u64 {
    rate().time_at(rdtsc())
}

/// How a program gets the same from the time-stamp counter. QEMU's translator makes that of a clock of its own, whatever it says
/// of the processor.
pub fn user_counter() -> Option<Counter> {
    let features = features::get();
    let steady = features.invariant_tsc || features.hypervisor == Some(Hypervisor::Tcg);
    steady.then(rate)
}

/// Seconds since 1970 when `now` was 0.
pub fn boot_date() -> u64 {
    BOOT_DATE.load(Relaxed)
}

/// Sets this CPU's timer, or stops it. See the contract.
pub fn set_timer(at: Option<u64>) {
    let cpu = percpu::this();
    cpu.deadline.store(at.unwrap_or(u64::MAX), Relaxed);
    arm(at);
}

fn arm(at: Option<u64>) {
    if WAITS.load(Relaxed) {
        // 0 stops the timer; a value that has passed fires at once.
        let tick = at.map_or(0, |at| {
            let at = at.min(now().saturating_add(LONGEST_WAIT));
            START.load(Relaxed).saturating_add(scale(at, &TICK_RATE) + 1)
        });
        // SAFETY: the timer touches no memory.
        unsafe { wrmsr(msr::TSC_DEADLINE, tick) };
        return;
    }
    let count = at.map_or(0, |at| {
        let wait = at.saturating_sub(now()).min(LONGEST_COUNT);
        scale(wait, &TIMER_RATE).clamp(1, LONGEST_COUNT)
    });
    apic::set_timer_count(count as u32);
}

/// The timer's interrupt came: whether the time that it was set for has come. If not (the wait was too
/// long for one count, or rounding), it is set again.
pub fn expired(cpu: &PerCpu) -> bool {
    let deadline = cpu.deadline.load(Relaxed);
    if deadline == u64::MAX {
        return false;
    }
    if now() < deadline {
        arm(Some(deadline));
        return false;
    }
    cpu.deadline.store(u64::MAX, Relaxed);
    true
}
