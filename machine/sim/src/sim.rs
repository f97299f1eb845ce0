//! What the host side and scenarios have beyond the contract.

use core::fmt;

use contract::Oops;

use crate::irq::Vector;
use crate::machine::here;
use crate::schedule;
use crate::trace::Event;

pub use crate::farm::{Batch, Totals, run_batch};
pub use crate::outcome::{Failure, Outcome, Summary};
pub use crate::run::{run, steady_addresses};
pub use crate::user::Step;

/// How far a run may go before it counts as one that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Points, on all CPUs together.
    pub points: u64,
    /// Virtual nanoseconds.
    pub nanoseconds: u64,
    /// Turns of a CPU's spin loops with nothing in between.
    pub spins: u64,
    /// Milliseconds of a host processor's time.
    pub host_milliseconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            points: 50_000_000,
            nanoseconds: 3_600_000_000_000,
            spins: 1_000_000,
            host_milliseconds: 30_000,
        }
    }
}

/// When a fault point fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// Never.
    #[default]
    Never,
    /// The `n`th time that any point is asked, counted from 1.
    Nth(u64),
    /// Each time with a chance of so many in a million, by the seed.
    PerMillion(u32),
}

/// What a run is given.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Virtual CPUs, 1 to [`contract::MAX_CPUS`].
    pub cpus: usize,
    /// NUMA nodes; no more than CPUs.
    pub nodes: usize,
    /// Bytes of memory, taken from the host only as they are touched.
    pub memory_bytes: usize,
    /// Decides everything that may differ between two runs.
    pub seed: u64,
    /// The kernel's command line.
    pub command_line: &'static str,
    /// The initial file system's image.
    pub initial_ramdisk: &'static [u8],
    /// Write events, log and console to the host's standard error while the run goes on.
    pub trace: bool,
    /// Where [`record`] writes: a file of the host's that is open for writing, by its descriptor.
    pub records: Option<i32>,
    /// When the machine's own fault points fail (`stack`, `cpu_start`), and those that ask
    /// [`should_fail`].
    pub faults: Faults,
    /// When to give up.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cpus: 2,
            nodes: 1,
            memory_bytes: crate::memory::OUTSIDE_BYTES,
            seed: 0,
            command_line: "",
            initial_ramdisk: &[],
            trace: false,
            records: None,
            faults: Faults::Never,
            limits: Limits::default(),
        }
    }
}

/// Objects of the machine that are alive, to find leaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Kernel stacks, those in contexts included.
    pub stacks: usize,
    /// Contexts.
    pub contexts: usize,
    /// Address spaces.
    pub address_spaces: usize,
    /// Frames that the kernel gave for page tables.
    pub table_frames: usize,
}

// Outside of a run an object may be dropped on another host thread than it was made on, so nothing
// here may overflow.
impl Live {
    pub(crate) fn with_stacks(self, change: isize) -> Self {
        Self { stacks: self.stacks.wrapping_add_signed(change), ..self }
    }

    pub(crate) fn with_contexts(self, change: isize) -> Self {
        Self { contexts: self.contexts.wrapping_add_signed(change), ..self }
    }

    pub(crate) fn with_address_spaces(self, change: isize) -> Self {
        Self { address_spaces: self.address_spaces.wrapping_add_signed(change), ..self }
    }

    pub(crate) fn with_table_frames(self, change: isize) -> Self {
        Self { table_frames: self.table_frames.wrapping_add_signed(change), ..self }
    }
}

/// What is alive now.
#[must_use]
pub fn live() -> Live {
    here().live.get()
}

/// The run's seed.
#[must_use]
pub fn seed() -> u64 {
    here().seed
}

/// A number below `bound` that the seed decides, 0 if `bound` is 0.
#[must_use]
pub fn random(bound: u64) -> u64 {
    if bound == 0 { 0 } else { here().draws.below(bound) }
}

/// Ends the run: all went well.
pub fn pass() -> ! {
    crate::run::finish(None)
}

/// Ends the run: something is wrong. Outside of a run it panics.
pub fn fail(message: &str) -> ! {
    crate::run::finish(Some(message))
}

/// Puts a note into the trace. `text` is cut to 24 bytes.
pub fn event(text: &str, value: u64) {
    let machine = here();
    if machine.active.get() {
        machine.trace.record(machine, Event::Note, text, value);
    }
}

/// Runs what looks at a run and is no part of it: meanwhile no time passes, nobody else goes on, no interrupt is taken, and
/// nothing is drawn from what the seed decides. It must not wait for anybody.
pub fn aside<R>(body: impl FnOnce() -> R) -> R {
    let machine = here();
    let (active, aside) = (machine.active.replace(false), machine.aside.replace(true));
    let result = body();
    machine.active.set(active);
    machine.aside.set(aside);
    result
}

/// Whether anybody reads what [`record`] writes.
#[must_use]
pub fn is_recorded() -> bool {
    here().records.is_some()
}

/// Writes a line for whoever looks at the run from outside. It takes no memory: where objects lie stays as it is.
pub fn record(line: &dyn fmt::Display) {
    use std::io::Write;
    let Some(descriptor) = here().records else { return };
    let mut buffer = [0; 2048];
    let mut rest = &mut buffer[..];
    // What does not fit is cut: the reader will say that it does not understand the line.
    let _ = writeln!(rest, "{line}");
    let left = rest.len();
    let length = buffer.len() - left;
    // SAFETY: the bytes are the buffer's; the descriptor is the configuration's, and a wrong one is an error.
    unsafe { libc::write(descriptor, buffer.as_ptr().cast(), length) };
}

/// Gives the number of the task that runs on this CPU. It must not take locks.
pub type TaskNumber = fn() -> u64;

/// Lists the kernel's tasks.
pub type Reporter = fn(&mut dyn fmt::Write);

/// How the trace and the report tell the tasks apart that [`crate::cpu::set_current`] is given.
pub fn set_task_number(number: TaskNumber) {
    here().hooks.task_number.set(Some(number));
}

/// Who lists the kernel's tasks when a run fails. A lock that somebody holds ends the list.
pub fn set_reporter(reporter: Reporter) {
    here().hooks.reporter.set(Some(reporter));
}

/// Says that the test means the kernel to reset the machine: `look` is called then, and if it returns, the run has passed.
pub fn expect_reset(look: fn()) {
    here().hooks.reset.set(Some(look));
}

/// Whether the fault point called `name` fails this time.
#[must_use]
pub fn should_fail(name: &str) -> bool {
    let machine = here();
    let number = machine.fault_points.get() + 1;
    machine.fault_points.set(number);
    let fails = match machine.faults.get() {
        Faults::Never => false,
        Faults::Nth(n) => n == number,
        Faults::PerMillion(chance) => machine.draws.below(1_000_000) < u64::from(chance),
    };
    if fails {
        machine.trace.record(machine, Event::Fault, name, number);
    }
    fails
}

/// Bytes come in at the console; CPU 0 gets the interrupt.
pub fn type_in(bytes: &[u8]) {
    let machine = here();
    machine.input.borrow_mut().extend(bytes);
    if machine.active.get() {
        schedule::raise(machine, 0, Vector::Console);
        schedule::point(machine);
    }
}

/// The end of what the kernel has written to the console.
#[must_use]
pub fn console_output() -> String {
    here().console.borrow().output()
}

/// Puts a user program into the machine; returns the entry address for
/// [`crate::user::UserContext::new`].
#[must_use]
pub fn program(steps: &'static [Step]) -> usize {
    crate::user::add_script(steps)
}

/// Ends the run because of an error in kernel mode: an [`contract::Upcalls::oops`] for kernels that
/// survive none.
pub fn fail_oops(oops: &Oops<'_>) -> ! {
    fail(&format!("{:?}: {}", oops.kind, oops.message))
}
