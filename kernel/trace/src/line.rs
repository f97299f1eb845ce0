//! Records as lines of text, in Linux's format.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use machine::MAX_CPUS;
use machine::preempt::{HARDIRQ_MASK, NO_RESCHED, PREEMPT_MASK, SOFTIRQ_MASK, SOFTIRQ_SERVING};

use crate::buffer::Moment;
use crate::control::{counts, with_ring};
use crate::events;
use crate::field::{COMM_SIZE, Name};

/// Times are shown to the nanosecond, where Linux shows microseconds.
static NANOSECONDS: AtomicBool = AtomicBool::new(false);

/// Whether lines show nanoseconds.
pub fn shows_nanoseconds() -> bool {
    NANOSECONDS.load(Ordering::Relaxed)
}

/// Says whether lines show nanoseconds.
pub fn show_nanoseconds(wanted: bool) {
    NANOSECONDS.store(wanted, Ordering::Relaxed);
}

/// The number of a record that is a text from user space.
pub(crate) const MARK: u16 = 5;
/// The longest such text.
pub const MARK_MAX: usize = 1024;

/// A place in all rings, from which a reader goes on.
pub struct Cursor {
    positions: [u64; MAX_CPUS],
    /// Records that were read are taken out.
    consuming: bool,
}

/// A record that was read.
pub struct Entry {
    cpu: usize,
    moment: Moment,
    payload: [u8; MARK_MAX],
    length: usize,
}

impl Cursor {
    /// Before the oldest record. `consuming`: what it reads, nobody else reads.
    pub const fn new(consuming: bool) -> Self {
        Self { positions: [0; MAX_CPUS], consuming }
    }

    /// Reads the oldest record that has not been read, into `entry`. False: there is none.
    pub fn next(&mut self, entry: &mut Entry) -> bool {
        loop {
            let time_on =
                |cpu: usize| with_ring(cpu, |ring| ring.time_from(self.positions[cpu])).flatten();
            let oldest = (0..machine::cpu::count())
                .filter_map(|cpu| time_on(cpu).map(|time| (time, cpu)))
                .min();
            let Some((_, cpu)) = oldest else { return false };
            let (from, consuming) = (self.positions[cpu], self.consuming);
            let read = with_ring(cpu, |ring| {
                let read = ring.read_from(from, &mut entry.payload, &mut entry.length);
                if let Some((_, next)) = read
                    && consuming
                {
                    ring.consume(next);
                }
                read
            });
            // It may have been thrown away since.
            if let Some(Some((moment, next))) = read {
                self.positions[cpu] = next;
                entry.cpu = cpu;
                entry.moment = moment;
                return true;
            }
        }
    }
}

impl Entry {
    /// Room for one.
    pub fn new() -> Self {
        Self { cpu: 0, moment: Moment::default(), payload: [0; MARK_MAX], length: 0 }
    }

    /// One that has just been made on this CPU.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn of(moment: Moment, bytes: &[u8]) -> Self {
        let mut entry =
            Self { cpu: machine::cpu::id(), moment, length: bytes.len(), ..Self::new() };
        entry.payload[..bytes.len()].copy_from_slice(bytes);
        entry
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment { time, id, pid, comm, .. } = self.moment;
        let name = match pid {
            0 => Name::<COMM_SIZE>::new(b"<idle>"),
            _ => Name::new(comm.split(|&byte| byte == 0).next().unwrap_or(&[])),
        };
        write!(f, "{:>16}-{pid:<7} [{:03}] ", Padded(&name).text(), self.cpu)?;
        context(&self.moment, f)?;
        // `{:#}` is for those who do not want to set what all see.
        if f.alternate() || shows_nanoseconds() {
            write!(f, " {:>5}.{:09}: ", time / 1_000_000_000, time % 1_000_000_000)?;
        } else {
            let micros = (time + 500) / 1000;
            write!(f, " {:>5}.{:06}: ", micros / 1_000_000, micros % 1_000_000)?;
        }
        let payload = &self.payload[..self.length];
        if id == MARK {
            f.write_str("tracing_mark_write: ")?;
            return payload.utf8_chunks().try_for_each(|chunk| f.write_str(chunk.valid()));
        }
        let Some(event) = events::all().find(|event| event.id() == id) else {
            return f.write_str("Unknown type");
        };
        write!(f, "{}: ", event.name())?;
        event.print(payload, f)
    }
}

/// A name that can be padded.
struct Padded<'a>(&'a Name<COMM_SIZE>);

/// A short text.
struct Short {
    bytes: [u8; 4 * COMM_SIZE],
    length: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("?"))
    }
}

impl Padded<'_> {
    fn text(&self) -> Short {
        let mut text = Short { bytes: [0; 4 * COMM_SIZE], length: 0 };
        // It is long enough for any name.
        let _ = write!(text, "{}", self.0);
        text
    }
}

/// The five letters: interrupts and softirqs off, reschedule wanted, in an interrupt, how deep
/// preemption is off, and migration, which nothing forbids by itself here.
fn context(moment: &Moment, out: &mut dyn Write) -> fmt::Result {
    let word = moment.context;
    let softirq = word & SOFTIRQ_MASK;
    let serving = softirq & SOFTIRQ_SERVING != 0;
    let bottom_halves_off = softirq & !SOFTIRQ_SERVING != 0;
    out.write_char(match (moment.irqs_off, bottom_halves_off) {
        (true, true) => 'D',
        (true, false) => 'd',
        (false, true) => 'b',
        (false, false) => '.',
    })?;
    out.write_char(if word & NO_RESCHED == 0 { 'N' } else { '.' })?;
    out.write_char(match (word & HARDIRQ_MASK != 0, serving) {
        (true, true) => 'H',
        (true, false) => 'h',
        (false, true) => 's',
        (false, false) => '.',
    })?;
    match word & PREEMPT_MASK {
        0 => out.write_char('.')?,
        depth => write!(out, "{:x}", depth.min(0xf))?,
    }
    out.write_char('.')
}

/// Writes what stands above the lines.
///
/// # Errors
/// Those of `out`.
pub fn write_header(out: &mut dyn Write) -> fmt::Result {
    let all = counts();
    let cpus = machine::cpu::count();
    writeln!(out, "# tracer: nop\n#")?;
    writeln!(
        out,
        "# entries-in-buffer/entries-written: {}/{}   #P:{cpus}\n#",
        all.entries, all.written
    )?;
    out.write_str(
        "#                                _-----=> irqs-off/BH-disabled\n\
         #                               / _----=> need-resched\n\
         #                              | / _---=> hardirq/softirq\n\
         #                              || / _--=> preempt-depth\n\
         #                              ||| / _-=> migrate-disable\n\
         #                              |||| /     delay\n\
         #           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n\
         #              | |         |   |||||     |         |\n",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_a_line_looks_as_on_linux() {
        let mut entry = Entry::new();
        entry.cpu = 1;
        entry.moment = Moment {
            time: 12_345_678_000,
            id: MARK,
            pid: 42,
            comm: *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            context: NO_RESCHED | 2,
            irqs_off: true,
        };
        entry.payload[..5].copy_from_slice(b"hello");
        entry.length = 5;
        assert_eq!(
            entry.to_string(),
            "              sh-42      [001] d..2.    12.345678: tracing_mark_write: hello"
        );
        entry.moment.time = 1_000_000_007;
        assert!(format!("{entry:#}").contains("     1.000000007: "));
        entry.moment.pid = 0;
        entry.moment.context = 0;
        entry.moment.irqs_off = false;
        assert!(entry.to_string().starts_with("          <idle>-0       [001] .N..."));
    }
}
