//! The interrupt controllers: each CPU's local APIC, and the I/O APIC for the one device that
//! interrupts here.
//!
//! The local APIC is reached through model-specific registers where it is an x2APIC, else through its
//! page of device registers. Both number their registers alike.

use crate::features;
use crate::interrupt::vector;
use crate::registers::{msr, outb, rdmsr, wrmsr};
use crate::{acpi, boot, irq, paging, percpu};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Registers, in units of 16 bytes.
mod register {
    pub(crate) const ID: u32 = 0x02;
    pub(crate) const END_OF_INTERRUPT: u32 = 0x0b;
    pub(crate) const LOGICAL_DESTINATION: u32 = 0x0d;
    pub(crate) const SPURIOUS: u32 = 0x0f;
    pub(crate) const COMMAND: u32 = 0x30;
    pub(crate) const COMMAND_HIGH: u32 = 0x31;
    pub(crate) const TIMER: u32 = 0x32;
    pub(crate) const LINT0: u32 = 0x35;
    pub(crate) const LINT1: u32 = 0x36;
    pub(crate) const ERROR: u32 = 0x37;
    pub(crate) const TIMER_INITIAL: u32 = 0x38;
    pub(crate) const TIMER_CURRENT: u32 = 0x39;
    pub(crate) const TIMER_DIVIDE: u32 = 0x3e;
}

const MASKED: u32 = 1 << 16;
const DELIVERY_NMI: u32 = 4 << 8;
const DELIVERY_INIT: u32 = 5 << 8;
const DELIVERY_STARTUP: u32 = 6 << 8;
const ASSERT: u32 = 1 << 14;
const COMMAND_BUSY: u32 = 1 << 12;
const TIMER_DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_ONE: u32 = 0b1011;

/// Where the local APIC's page of registers is mapped; 0: it is an x2APIC.
static PAGE: AtomicUsize = AtomicUsize::new(0);

#[inline]
fn page() -> Option<usize> {
    match PAGE.load(Relaxed) {
        0 => None,
        page => Some(page),
    }
}

#[inline]
fn read(register: u32) -> u32 {
    match page() {
        // SAFETY: a register of the mapped page.
        Some(page) => unsafe { ((page + 16 * register as usize) as *const u32).read_volatile() },
        None => rdmsr(msr::X2APIC_FIRST + register) as u32,
    }
}

#[inline]
fn write(register: u32, value: u32) {
    match page() {
        // SAFETY: a register of the mapped page; the APIC touches no memory.
        Some(page) => unsafe {
            ((page + 16 * register as usize) as *mut u32).write_volatile(value);
        },
        // SAFETY: the APIC touches no memory.
        None => unsafe { wrmsr(msr::X2APIC_FIRST + register, value.into()) },
    }
}

/// Finds the controllers and sets them up for the boot CPU.
pub(crate) fn start() {
    if !features::get().x2apic {
        let Ok(page) = paging::map_device((rdmsr(msr::APIC_BASE) & 0xf_ffff_f000) as usize) else {
            boot::give_up("no memory for device mappings");
        };
        PAGE.store(page as usize, Relaxed);
    }
    // The old controllers stay silent: masked.
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    start_local();
}

/// Sets up the local APIC of this CPU.
pub(crate) fn start_local() {
    const ENABLE: u64 = 1 << 11;
    const X2APIC: u64 = 1 << 10;
    let extended = page().is_none();
    let mode = if extended { ENABLE | X2APIC } else { ENABLE };
    // SAFETY: the APIC touches no memory.
    unsafe { wrmsr(msr::APIC_BASE, rdmsr(msr::APIC_BASE) | mode) };
    if !extended {
        write(register::LOGICAL_DESTINATION, 0);
    }
    write(register::SPURIOUS, 1 << 8 | u32::from(vector::SPURIOUS));
    write(register::LINT0, MASKED);
    write(register::LINT1, DELIVERY_NMI);
    write(register::ERROR, MASKED);
    let deadline = if features::get().tsc_deadline { TIMER_DEADLINE_MODE } else { 0 };
    write(register::TIMER_DIVIDE, DIVIDE_BY_ONE);
    write(register::TIMER, u32::from(vector::TIMER) | deadline);
}

/// The number that interrupts for this CPU carry.
pub(crate) fn id() -> u32 {
    let id = read(register::ID);
    if page().is_some() { id >> 24 } else { id }
}

/// Tells the local APIC that its interrupt has been handled.
#[inline]
pub(crate) fn end_of_interrupt() {
    write(register::END_OF_INTERRUPT, 0);
}

fn command(target: u32, low: u32) {
    if page().is_none() {
        // SAFETY: the APIC touches no memory. The fence makes what was stored for the receiver visible
        // before the interrupt, which this register, unlike a device page, does not do by itself.
        unsafe {
            core::arch::x86_64::_mm_mfence();
            wrmsr(msr::X2APIC_FIRST + register::COMMAND, u64::from(target) << 32 | u64::from(low));
        }
        return;
    }
    // An interrupt between the two halves could send one of its own.
    let interrupts = irq::disable();
    while read(register::COMMAND) & COMMAND_BUSY != 0 {
        core::hint::spin_loop();
    }
    write(register::COMMAND_HIGH, target << 24);
    write(register::COMMAND, low);
    if interrupts {
        irq::enable();
    }
}

/// Sends an interrupt.
pub(crate) fn send(target: u32, vector: u8) {
    command(target, ASSERT | u32::from(vector));
}

/// Sends a non-maskable interrupt.
pub(crate) fn send_nmi(target: u32) {
    command(target, ASSERT | DELIVERY_NMI);
}

/// Resets a CPU, so that it waits for `send_startup`.
pub(crate) fn send_init(target: u32) {
    command(target, ASSERT | DELIVERY_INIT);
}

/// Makes a CPU that waits begin in real mode at a page below one megabyte.
pub(crate) fn send_startup(target: u32, address: usize) {
    command(target, ASSERT | DELIVERY_STARTUP | (address >> 12) as u32);
}

/// Starts the local timer's count; 0 stops it.
#[inline]
pub(crate) fn set_timer_count(count: u32) {
    write(register::TIMER_INITIAL, count);
}

/// What is left of the local timer's count.
pub(crate) fn timer_count() -> u32 {
    read(register::TIMER_CURRENT)
}

/// Lets the serial port's interrupt through to this CPU.
pub(crate) fn route_serial() {
    let platform = acpi::platform();
    let (number, low, level) = platform.serial_interrupt;
    let (address, first) = platform.io_apic.unwrap_or((0xfec0_0000, 0));
    let Ok(select) = paging::map_device(address) else { return };
    let Some(pin) = number.checked_sub(first) else { return };
    let target = percpu::this().apic_id.load(Relaxed);
    let entry = u32::from(vector::CONSOLE) | u32::from(low) << 13 | u32::from(level) << 15;
    for (register, value) in [(0x11 + 2 * pin, target << 24), (0x10 + 2 * pin, entry)] {
        // SAFETY: the index and data registers of the mapped page; the controller touches no memory.
        unsafe {
            select.cast::<u32>().write_volatile(register);
            select.add(0x10).cast::<u32>().write_volatile(value);
        }
    }
}
