//! The serial console (a 16550 at the first PC port), and the log's way out (the debug port of
//! virtual machines, if it is there).

use crate::apic;
use crate::lock::SpinLock;
use crate::registers::{inb, outb, outsb};
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::*};

const SERIAL: u16 = 0x3f8;
const DATA: u16 = SERIAL;
const INTERRUPT_ENABLE: u16 = SERIAL + 1;
const FIFO_CONTROL: u16 = SERIAL + 2;
const LINE_CONTROL: u16 = SERIAL + 3;
const MODEM_CONTROL: u16 = SERIAL + 4;
const LINE_STATUS: u16 = SERIAL + 5;

const RECEIVED: u8 = 1 << 0;
/// The byte that has been received is none: the line was held low for longer than one takes.
const BREAK: u8 = 1 << 4;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const FIFO_SIZE: usize = 16;

/// The debug port, and what it reads as where it exists.
const DEBUG_PORT: u16 = 0xe9;
const DEBUG_PORT_MARK: u8 = 0xe9;

static DEBUG_PORT_PRESENT: AtomicBool = AtomicBool::new(false);
static OUTPUT: SpinLock<()> = SpinLock::new(());
/// How long a writer waits for another before it writes anyway: the other may be stopped for ever.
const PATIENCE: usize = 1_000_000;

/// Input that nobody has read yet. What does not fit is dropped, as a terminal's line does.
struct Input {
    bytes: [u8; 1024],
    read: usize,
    length: usize,
}

static INPUT: SpinLock<Input> = SpinLock::new(Input { bytes: [0; 1024], read: 0, length: 0 });

/// Until when a byte is one for [`sysrq`], in nanoseconds of the machine's clock; 0: no break has come.
static BREAK_ENDS: AtomicU64 = AtomicU64::new(0);
/// How long that is.
const BREAK_LASTS: u64 = 5_000_000_000;
/// That byte.
static SYSRQ: AtomicU16 = AtomicU16::new(NO_BYTE);
const NO_BYTE: u16 = u16::MAX;

/// Sets the port up: 115200 bits a second, 8 data bits, FIFOs on.
pub fn start() {
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x80);
    outb(DATA, 1);
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x03);
    outb(FIFO_CONTROL, 0x07);
    outb(MODEM_CONTROL, 0x0b);
    DEBUG_PORT_PRESENT.store(inb(DEBUG_PORT) == DEBUG_PORT_MARK, Relaxed);
}

/// Lets the port interrupt when input comes.
pub fn enable_interrupts() {
    apic::route_serial();
    outb(INTERRUPT_ENABLE, 1);
}

/// Takes in what the port has received; whether there was anything.
pub fn interrupt() -> bool {
    let mut input = INPUT.lock();
    let mut any = false;
    loop {
        let status = inb(LINE_STATUS);
        if status & RECEIVED == 0 {
            break;
        }
        let byte = inb(DATA);
        any = true;
        if status & BREAK != 0 {
            // A second one is a break for whoever reads: it brings nothing.
            let ends = crate::time::now() + BREAK_LASTS;
            BREAK_ENDS.store(if BREAK_ENDS.load(Relaxed) == 0 { ends } else { 0 }, Relaxed);
            continue;
        }
        if crate::time::now() < BREAK_ENDS.swap(0, Relaxed) {
            SYSRQ.store(byte.into(), Relaxed);
            continue;
        }
        if input.length < input.bytes.len() {
            let at = (input.read + input.length) % input.bytes.len();
            input.bytes[at] = byte;
            input.length += 1;
        }
    }
    any
}

/// Sends bytes to the serial console, waiting for it where it must. Any context. Interrupts are off for no longer than it takes
/// to fill the port's buffer, so what two CPUs write may come out mixed.
pub fn write(bytes: &[u8]) {
    for chunk in bytes.chunks(FIFO_SIZE) {
        loop {
            wait_for_port();
            let _turn = OUTPUT.lock_within(PATIENCE);
            // Another CPU may have filled the buffer meanwhile.
            if is_port_ready() {
                outsb(DATA, chunk);
                break;
            }
        }
    }
}

/// A floating bus reads as all ones, so a missing port holds nobody up.
fn is_port_ready() -> bool {
    inb(LINE_STATUS) & TRANSMITTER_EMPTY != 0
}

fn wait_for_port() {
    while !is_port_ready() {
        core::hint::spin_loop();
    }
}

/// Takes input that has come in; 0 if there is none.
pub fn read(buffer: &mut [u8]) -> usize {
    let mut input = INPUT.lock();
    let length = input.length.min(buffer.len());
    for byte in &mut buffer[..length] {
        *byte = input.bytes[input.read];
        input.read = (input.read + 1) % input.bytes.len();
    }
    input.length -= length;
    length
}

/// The byte that came in within five seconds of a break, once.
pub fn sysrq() -> Option<u8> {
    u8::try_from(SYSRQ.swap(NO_BYTE, Relaxed)).ok()
}

/// Sends bytes to the debug port, or to the console where there is none; in one piece. Any context.
pub fn log(bytes: &[u8]) {
    let _turn = OUTPUT.lock_within(PATIENCE);
    if DEBUG_PORT_PRESENT.load(Relaxed) {
        outsb(DEBUG_PORT, bytes);
        return;
    }
    for chunk in bytes.chunks(FIFO_SIZE) {
        wait_for_port();
        outsb(DATA, chunk);
    }
}

/// For the machine's own last words, formatted.
pub struct Writer;

impl core::fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        log(text.as_bytes());
        Ok(())
    }
}
