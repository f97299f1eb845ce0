//! The kernel log: what `log`'s macros write, kept in a ring for `/dev/kmsg` and `dmesg` and sent out to the machine's log port.
//!
//! Every record has a sequence number, a level and a time. Writing works in any context, also in the middle of
//! a crash; it never waits for a reader. Readers keep a sequence number of their own and learn how many records they missed.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod ring;

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record as LogRecord};
use ring::Ring;
use sync::{LockClass, Once, SpinLock};

pub use ring::{CAPACITY, Record};

/// Innermost: taken with interrupts off, with any other lock held; takes nothing.
static RING_LOCK: LockClass = LockClass::new("kernel_log");

static RING: SpinLock<Ring> = SpinLock::new(&RING_LOCK, Ring::new());

/// Records of this level and below (more urgent) go to the machine's log port.
static CONSOLE_LEVEL: AtomicU8 = AtomicU8::new(7);

/// A reader sleeps and there is something new: see [`set_wake_hook`].
static NEWS: AtomicBool = AtomicBool::new(false);
static WAKE: Once<fn()> = Once::new();
/// The CPU that is panicking, plus one: it writes without the ring's lock held up by others.
static CRASHING: AtomicUsize = AtomicUsize::new(0);

struct KernelLog;

impl Log for KernelLog {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &LogRecord<'_>) {
        let level = match record.level() {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        write_record(level, *record.args());
    }

    fn flush(&self) {}
}

static LOGGER: KernelLog = KernelLog;

/// Connects the `log` macros to the kernel log. Once; a second call does nothing.
pub fn init() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Lets debug messages through, or stops them.
pub fn set_debug(on: bool) {
    log::set_max_level(if on { LevelFilter::Debug } else { LevelFilter::Info });
}

/// Writes records of a syslog level (0 most urgent, 7 debug), one for each line of the text. Any context.
pub fn write_record(level: u8, text: fmt::Arguments<'_>) {
    let mut lines = Lines { level, line: ring::Text::new() };
    // The writer cuts and never fails; a formatter that fails leaves what it wrote.
    let _ = lines.write_fmt(text);
    lines.end_line();
    NEWS.store(true, Ordering::Relaxed);
}

/// Collects formatted text and writes a record at every line's end.
struct Lines {
    level: u8,
    line: ring::Text,
}

impl Lines {
    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = core::mem::replace(&mut self.line, ring::Text::new());
        let record =
            Record { sequence: 0, level: self.level, time: machine::time::now(), text: line };
        store(record);
    }
}

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (i, part) in text.split('\n').enumerate() {
            if i > 0 {
                self.end_line();
            }
            self.line.push(part);
        }
        Ok(())
    }
}

fn store(mut record: Record) {
    let crashing = CRASHING.load(Ordering::Relaxed) == machine::cpu::id() + 1;
    if crashing {
        // The lock's holder may be the CPU that was stopped, or this one: the port matters more than the ring.
        if let Some(mut ring) = RING.try_lock_irq() {
            ring.push(&mut record);
        }
        emit(&record);
    } else {
        let mut ring = RING.lock_irq();
        ring.push(&mut record);
        // Under the lock, so that lines of several CPUs come out whole and in order.
        if record.level <= CONSOLE_LEVEL.load(Ordering::Relaxed) {
            emit(&record);
        }
    }
}

fn emit(record: &Record) {
    let mut line = ring::Line::new();
    let _ = writeln!(line, "{record}");
    machine::console::log(line.as_bytes());
}

/// From now on this CPU writes without waiting for anybody: it is about to panic. Any context.
pub fn begin_crash() {
    CRASHING.store(machine::cpu::id() + 1, Ordering::Relaxed);
}

/// The oldest record whose number is `sequence` or later. Any context.
pub fn read(sequence: u64) -> Option<Record> {
    RING.lock_irq().read(sequence)
}

/// The number that the next record will get.
pub fn next_sequence() -> u64 {
    RING.lock_irq().next_sequence()
}

/// The number of the oldest record that is still there.
pub fn first_sequence() -> u64 {
    RING.lock_irq().first_sequence()
}

/// Sets which levels go to the machine's log port: this one and the more urgent ones. Returns the old value.
pub fn set_console_level(level: u8) -> u8 {
    CONSOLE_LEVEL.swap(level, Ordering::Relaxed)
}

/// The least urgent level that goes to the machine's log port.
pub fn console_level() -> u8 {
    CONSOLE_LEVEL.load(Ordering::Relaxed)
}

/// Says how to wake those who wait for new records. The hook is called by [`wake_readers`], not by the writer, which
/// may hold the very locks that waking needs. Once.
pub fn set_wake_hook(hook: fn()) {
    // A second reader interface would replace nothing: there is one.
    let _ = WAKE.set(hook);
}

/// Wakes readers if there is something new: called from the tick, and by a CPU that goes idle and has none.
pub fn wake_readers() {
    if NEWS.load(Ordering::Relaxed)
        && NEWS.swap(false, Ordering::Relaxed)
        && let Some(wake) = WAKE.get()
    {
        wake();
    }
}
