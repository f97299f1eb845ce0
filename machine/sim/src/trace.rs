//! What happened, as a ring of small records that become text only when somebody looks.

use core::cell::{Cell, RefCell};
use core::fmt;

use crate::machine::{Machine, NEVER};

/// Records that the ring keeps.
const KEPT: usize = 2048;
/// Bytes of text in a record.
const TEXT: usize = 24;

/// What kind of thing happened. `text` and `value` are the record's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// CPU `value` goes on in place of this one.
    Cpu,
    /// The interrupt `text` is taken.
    Interrupt,
    /// The interrupt `text` is sent to CPU `value`.
    Send,
    /// The timer is set to `value`.
    Timer,
    /// The running task is now number `value`.
    Task,
    /// CPU `value` is started.
    Start,
    /// This CPU parks.
    Park,
    /// The fault point `text` fails.
    Fault,
    /// This CPU loads an address space, or none.
    Load,
    /// What the kernel or the scenario says.
    Note,
}

#[derive(Clone, Copy)]
struct Record {
    time: u64,
    value: u64,
    text: [u8; TEXT],
    length: u8,
    cpu: u8,
    event: Event,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, value, cpu, .. } = *self;
        let text = String::from_utf8_lossy(&self.text[..usize::from(self.length)]);
        write!(f, "{:6}.{:09} cpu{cpu}  ", time / 1_000_000_000, time % 1_000_000_000)?;
        match self.event {
            Event::Cpu => write!(f, "-> cpu{value}"),
            Event::Interrupt => write!(f, "interrupt {text}"),
            Event::Send => write!(f, "send {text} to cpu{value}"),
            Event::Timer if value == NEVER => write!(f, "timer off"),
            Event::Timer => {
                write!(f, "timer at {}.{:09}", value / 1_000_000_000, value % 1_000_000_000)
            }
            Event::Task => write!(f, "task {value}"),
            Event::Start => write!(f, "start cpu{value}"),
            Event::Park => write!(f, "park"),
            Event::Fault => write!(f, "fault at {text}"),
            Event::Load if value == 0 => write!(f, "address space: none"),
            Event::Load => write!(f, "address space {value}"),
            Event::Note => write!(f, "{text} {value}"),
        }
    }
}

/// The ring.
pub(crate) struct Trace {
    live: bool,
    records: RefCell<Vec<Record>>,
    count: Cell<usize>,
    hash: Cell<u64>,
}

impl Trace {
    /// `live`: also writes each record to the host's standard error at once.
    pub(crate) fn new(live: bool) -> Self {
        Self { live, records: RefCell::new(Vec::new()), count: Cell::new(0), hash: Cell::new(0) }
    }

    /// A number that two runs share if they made the same records.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.get()
    }

    /// Adds a record. `text` is cut to what fits.
    pub(crate) fn record(&self, machine: &Machine, event: Event, text: &str, value: u64) {
        let mut bytes = [0; TEXT];
        let length = text.len().min(TEXT);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.keep(Record {
            time: machine.clock.get(),
            value,
            text: bytes,
            length: length as u8,
            cpu: machine.this() as u8,
            event,
        });
    }

    fn keep(&self, record: Record) {
        if self.live {
            eprintln!("{record}");
        }
        // Host addresses are in no record, so the hash is the same in every process.
        let digest = record.time.rotate_left(17)
            ^ record.value.rotate_left(41)
            ^ u64::from(record.cpu) << 8
            ^ record.event as u64;
        self.hash
            .set((self.hash.get() ^ digest).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        let place = self.count.get() % KEPT;
        self.count.set(self.count.get() + 1);
        let mut records = self.records.borrow_mut();
        if place == records.len() {
            records.push(record);
        } else {
            records[place] = record;
        }
    }

    /// The ring as text, oldest first, a line for each record.
    pub(crate) fn tail(&self) -> String {
        let records = self.records.borrow();
        let oldest = self.count.get() % records.len().max(1);
        let (new, old) = records.split_at(oldest);
        old.iter().chain(new).map(|record| format!("{record}\n")).collect()
    }
}
