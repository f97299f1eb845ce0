//! How fast the clocks run, and what day it is.
//!
//! The processor or the hypervisor may say how fast the time-stamp counter runs. If neither does, it is
//! measured against a clock whose speed is known, for no longer than the wanted precision needs: each
//! reading is enclosed by two readings of the counter, so its error is known, and the measurement ends
//! when the errors are one part in 2000 of what has passed (or after 20 ms, with the best that was
//! seen). Under a monitor that counts instructions that is some ten thousand of them.

use crate::features::{self, Hypervisor};
use crate::layout::IMAGE_BASE;
use crate::registers::{cpuid, inb, inl, msr, outb, rdtsc, wrmsr};
use crate::{acpi, apic};
use core::sync::atomic::{AtomicU32, Ordering::*};

/// The speeds of the time-stamp counter and of the local timer, in Hertz.
pub(crate) struct Rates {
    pub counter: u64,
    pub timer: u64,
}

/// Both QEMU's translator and KVM run the local timer at this speed.
const VIRTUAL_TIMER: u64 = 1_000_000_000;
const POWER_TIMER: u64 = 3_579_545;
const INTERVAL_TIMER: u64 = 1_193_182;

/// A clock to measure by.
struct Reference {
    read: fn() -> u64,
    frequency: u64,
    /// Where its value wraps around.
    mask: u64,
}

/// The speeds, or `None` if there is nothing to measure by.
pub(crate) fn measure() -> Option<Rates> {
    let timer = Reference { read: count_up, frequency: VIRTUAL_TIMER, mask: u32::MAX.into() };
    let timer_known =
        matches!(features::get().hypervisor, Some(Hypervisor::Tcg | Hypervisor::Kvm(_)));
    let counter = match told() {
        Some(counter) => counter,
        None if timer_known => against(&timer),
        None => against(&reference()?),
    };
    let timer = if timer_known {
        VIRTUAL_TIMER
    } else {
        // Measured as if it ran at that speed; the counter's speed is known, so the timer's follows.
        let apparent = against(&timer);
        (u128::from(VIRTUAL_TIMER) * u128::from(counter) / u128::from(apparent)) as u64
    };
    apic::set_timer_count(0);
    Some(Rates { counter, timer })
}

/// What the processor or the hypervisor says.
fn told() -> Option<u64> {
    if cpuid(0, 0).eax >= 0x15 {
        let leaf = cpuid(0x15, 0);
        if leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0 {
            return Some(u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax));
        }
    }
    let Some(Hypervisor::Kvm(base)) = features::get().hypervisor else { return None };
    if cpuid(base, 0).eax >= base + 0x10 {
        let kilohertz = cpuid(base + 0x10, 0).eax;
        if kilohertz != 0 {
            return Some(u64::from(kilohertz) * 1000);
        }
    }
    paravirtual(base)
}

/// KVM's clock page carries the factor that turns ticks into nanoseconds.
fn paravirtual(base: u32) -> Option<u64> {
    #[repr(C, align(32))]
    struct ClockPage([AtomicU32; 8]);
    static PAGE: ClockPage = ClockPage([const { AtomicU32::new(0) }; 8]);
    if cpuid(base + 1, 0).eax & 1 << 3 == 0 {
        return None;
    }
    let address = &raw const PAGE as usize - IMAGE_BASE;
    // SAFETY: the hypervisor writes the page, which is made of atomics, and stops when told so.
    unsafe {
        wrmsr(msr::KVM_SYSTEM_TIME, address as u64 | 1);
        wrmsr(msr::KVM_SYSTEM_TIME, 0);
    }
    let factor = PAGE.0[6].load(Acquire);
    let shift = PAGE.0[7].load(Acquire) as i8;
    if factor == 0 {
        return None;
    }
    // nanoseconds = (ticks << shift) * factor >> 32
    let frequency = (1_000_000_000u128 << 32) / u128::from(factor);
    let frequency = if shift >= 0 { frequency >> shift } else { frequency << shift.unsigned_abs() };
    u64::try_from(frequency).ok()
}

fn count_up() -> u64 {
    u64::from(u32::MAX - apic::timer_count())
}

fn reference() -> Option<Reference> {
    if acpi::platform().power.timer.is_some() {
        let read = || acpi::platform().power.timer.map_or(0, |port| u64::from(inl(port)));
        return Some(Reference { read, frequency: POWER_TIMER, mask: 0xff_ffff });
    }
    // The interval timer's channel 2, counting down from its largest value without a sound.
    outb(0x61, inb(0x61) & !2 | 1);
    outb(0x43, 0xb0);
    outb(0x42, 0xff);
    outb(0x42, 0xff);
    let read = || {
        outb(0x43, 0x80);
        let low = inb(0x42);
        u64::from(!u16::from_le_bytes([low, inb(0x42)]))
    };
    (inb(0x61) & 1 != 0).then_some(Reference { read, frequency: INTERVAL_TIMER, mask: 0xffff })
}

/// A reading of a reference: the counter around it, and its value.
struct Reading {
    middle: u64,
    width: u64,
    value: u64,
}

fn reading(reference: &Reference) -> Reading {
    let before = rdtsc();
    let value = (reference.read)();
    let width = rdtsc() - before;
    Reading { middle: before + width / 2, width, value }
}

/// A result, and how far off it may be: both in ticks of the counter.
struct Estimate {
    ticks: u64,
    passed: u64,
    error: u64,
}

/// Measures the time-stamp counter.
fn against(reference: &Reference) -> u64 {
    const PRECISION: u64 = 2000;
    apic::set_timer_count(u32::MAX);
    // Of some first readings the one that took least: a virtual CPU may be stopped in the middle of one.
    let mut first = reading(reference);
    for _ in 0..3 {
        let again = reading(reference);
        if again.width < first.width {
            first = again;
        }
    }
    let mut best = Estimate { ticks: 1, passed: 1, error: u64::from(u32::MAX) };
    loop {
        let last = reading(reference);
        let ticks = (last.middle - first.middle).max(1);
        let passed = last.value.wrapping_sub(first.value) & reference.mask;
        if passed == 0 {
            continue;
        }
        let step = ticks / passed;
        let error = first.width + last.width + 2 * step;
        if u128::from(error) * u128::from(best.ticks) < u128::from(best.error) * u128::from(ticks) {
            best = Estimate { ticks, passed, error };
        }
        if best.error * PRECISION <= best.ticks || passed >= reference.frequency / 50 {
            let Estimate { ticks, passed, .. } = best;
            let frequency = u128::from(ticks) * u128::from(reference.frequency);
            return (frequency / u128::from(passed)) as u64;
        }
    }
}

/// The date now, in seconds since 1970, from the battery-backed clock; 0 if there is none.
pub(crate) fn date() -> u64 {
    const STATUS_B: u8 = 0x0b;
    let read = |register: u8| {
        outb(0x70, register);
        inb(0x71)
    };
    let settled = || {
        for _ in 0..10_000 {
            if read(0x0a) & 0x80 == 0 {
                break;
            }
        }
        [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32].map(read)
    };
    let mut fields = settled();
    for _ in 0..4 {
        let again = settled();
        if again == fields {
            break;
        }
        fields = again;
    }
    let mode = read(STATUS_B);
    let afternoon = fields[2] & 0x80 != 0;
    fields[2] &= 0x7f;
    if mode & 4 == 0 {
        fields = fields.map(|decimal| (decimal >> 4) * 10 + (decimal & 15));
    }
    let [second, minute, hour, day, month, year, century] = fields.map(u64::from);
    let hour = match mode & 2 != 0 {
        true => hour,
        false => hour % 12 + if afternoon { 12 } else { 0 },
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 {
        return 0;
    }
    let century = if (19..=21).contains(&century) { century } else { 20 };
    days_since_1970(century * 100 + year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
}

/// Days since 1 January 1970, counted in years that begin in March so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // The same formula for 1 January 1970.
    days.saturating_sub(719_468)
}
