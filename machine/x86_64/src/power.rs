//! Off, reset, and ending with a status.

use crate::acpi::{self, Register};
use crate::registers::{halt_for_ever, inb, outb, outw};
use crate::{console, irq, paging};
use core::arch::asm;
use core::fmt::Write;

/// The port by which a virtual machine ends with a status.
const EXIT_PORT: u16 = 0xf4;

fn put(register: Register, value: u16, short: bool) {
    match register {
        Register::Port(port) if short => outb(port, value as u8),
        Register::Port(port) => outw(port, value),
        Register::Memory(address) => {
            if let Ok(place) = paging::map_device(address) {
                // SAFETY: a register that the firmware names, mapped just now.
                unsafe {
                    match short {
                        true => place.write_volatile(value as u8),
                        false => place.cast::<u16>().write_volatile(value),
                    }
                }
            }
        }
    }
}

/// Switches the machine off.
pub fn off() -> ! {
    irq::disable();
    if let Some(power) = acpi::known().map(|platform| platform.power)
        && let Some((register, reduced)) = power.sleep
    {
        let kind = u16::from(power.off_type & 7);
        match reduced {
            true => put(register, kind << 2 | 1 << 5, true),
            false => put(register, kind << 10 | 1 << 13, false),
        }
    }
    // Where virtual machines without tables have the same register.
    outw(0x604, 1 << 13);
    outw(0xb004, 1 << 13);
    halt_for_ever()
}

/// Resets the machine.
pub fn reset() -> ! {
    irq::disable();
    if let Some((register, value)) = acpi::known().and_then(|platform| platform.power.reset) {
        put(register, value.into(), true);
    }
    // The keyboard controller's pulse, once it takes commands.
    for _ in 0..1000 {
        if inb(0x64) & 2 == 0 {
            break;
        }
    }
    outb(0x64, 0xfe);
    // The last way: an exception that cannot be delivered.
    let empty = [0u16; 5];
    // SAFETY: the machine ends here.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) &empty, options(noreturn)) }
}

/// Switches the machine off with a status, where whoever runs it can be told.
pub fn exit(status: u8) -> ! {
    irq::disable();
    let _ = writeln!(console::Writer, "\x1eexit {status}");
    outb(EXIT_PORT, status);
    off()
}
