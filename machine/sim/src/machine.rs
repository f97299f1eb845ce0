//! The state of a simulated machine.

use core::cell::{Cell, OnceCell, RefCell};
use core::ptr::null;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use contract::preempt::PREEMPT_AT_START;
use contract::{CpuId, InterruptCounts, LargePageCounters, MAX_CPUS, Region, TlbCounters, Upcalls};

use crate::memory::{Space, Tlb};
use crate::random::Random;
use crate::report::Inquiry;
use crate::sim::{Config, Limits, Reporter, TaskNumber};
use crate::strategy::Strategy;
use crate::thread::StackPool;
use crate::trace::Trace;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Where a virtual CPU is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started, or taken out of service by `park`.
    Stopped,
    /// Has code to run.
    Running,
    /// In `wait_for_interrupt`.
    Halted,
}

/// One virtual CPU.
pub(crate) struct Cpu {
    pub(crate) state: Cell<State>,
    /// The stack pointer while another CPU has the host thread.
    pub(crate) stack_pointer: Cell<usize>,
    /// The point since which it could go on if it had the host thread.
    pub(crate) waits_since: Cell<u64>,
    pub(crate) preempt: Cell<u32>,
    pub(crate) interrupts: Cell<bool>,
    pub(crate) current: Cell<*const ()>,
    /// The number of the task in `current`, and of the one before.
    pub(crate) task: Cell<u64>,
    pub(crate) left_task: Cell<u64>,
    /// Interrupts that have come in and were not taken yet: bits of [`crate::irq::Vector`].
    pub(crate) pending: Cell<u32>,
    /// A non-maskable interrupt has come in and was not taken yet.
    pub(crate) nmi: Cell<bool>,
    /// When the timer fires.
    pub(crate) deadline: Cell<u64>,
    pub(crate) counts: Cell<InterruptCounts>,
    pub(crate) space: RefCell<Option<Arc<Space>>>,
    /// Nothing on this CPU uses that space: flushes pass it by.
    pub(crate) borrows: Cell<bool>,
    /// Up to which of its space's changes the TLB is good.
    pub(crate) changes_seen: Cell<u64>,
    pub(crate) tlb: Tlb,
    /// How many oopses this CPU is in.
    pub(crate) oopses: Cell<u32>,
    /// Spins in a row.
    pub(crate) relaxed: Cell<u64>,
}

impl Cpu {
    fn new() -> Self {
        Self {
            state: Cell::new(State::Stopped),
            stack_pointer: Cell::new(0),
            waits_since: Cell::new(0),
            preempt: Cell::new(PREEMPT_AT_START),
            interrupts: Cell::new(false),
            current: Cell::new(null()),
            task: Cell::new(0),
            left_task: Cell::new(0),
            pending: Cell::new(0),
            nmi: Cell::new(false),
            deadline: Cell::new(NEVER),
            counts: Cell::new(InterruptCounts::default()),
            space: RefCell::new(None),
            borrows: Cell::new(false),
            changes_seen: Cell::new(0),
            tlb: Tlb::new(),
            oopses: Cell::new(0),
            relaxed: Cell::new(0),
        }
    }

    /// Whether the CPU would do something if it got the host thread.
    pub(crate) fn runnable(&self) -> bool {
        match self.state.get() {
            State::Stopped => false,
            State::Running => true,
            State::Halted => self.pending.get() != 0 || self.nmi.get(),
        }
    }
}

/// What scenarios set and kernels hand over, used rarely.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) upcalls: OnceCell<&'static Upcalls>,
    pub(crate) reporter: Cell<Option<Reporter>>,
    pub(crate) task_number: Cell<Option<TaskNumber>>,
    pub(crate) reset: Cell<Option<fn()>>,
}

/// A simulated machine. One host thread uses it.
pub(crate) struct Machine {
    /// A run is on: the scheduler below works. Otherwise this is the machine of a host thread
    /// outside of a run.
    pub(crate) active: Cell<bool>,
    /// A run is on, and what is done now is no part of it: see [`crate::sim::aside`].
    pub(crate) aside: Cell<bool>,
    pub(crate) seed: u64,
    pub(crate) command_line: &'static str,
    pub(crate) initial_ramdisk: &'static [u8],
    pub(crate) limits: Limits,
    pub(crate) hooks: Hooks,

    cpus: Vec<Cpu>,
    nodes: usize,
    this: Cell<CpuId>,
    /// Nanoseconds since boot.
    pub(crate) clock: Cell<u64>,
    /// Points that pass before the next decision.
    pub(crate) gap: Cell<u64>,
    /// What `gap` was when it was drawn.
    pub(crate) drawn: Cell<u64>,
    /// Points up to the last decision, since boot.
    pub(crate) points: Cell<u64>,
    pub(crate) schedule: Random,
    pub(crate) draws: Random,
    pub(crate) entropy: Random,
    pub(crate) strategy: Strategy,

    pub(crate) regions: &'static [Region],
    pub(crate) tlb_counters: Cell<TlbCounters>,
    pub(crate) large_pages: Cell<LargePageCounters>,
    pub(crate) stacks: StackPool,
    pub(crate) boot_stack: Cell<(usize, usize)>,
    pub(crate) boot_taken: Cell<bool>,
    pub(crate) live: Cell<crate::sim::Live>,

    pub(crate) trace: Trace,
    /// Where [`crate::sim::record`] writes: a descriptor of the host's.
    pub(crate) records: Option<i32>,
    pub(crate) console: RefCell<crate::console::Console>,
    pub(crate) input: RefCell<VecDeque<u8>>,
    pub(crate) faults: Cell<crate::sim::Faults>,
    pub(crate) fault_points: Cell<u64>,
    pub(crate) scripts: RefCell<Vec<crate::user::Script>>,
    /// On all CPUs together.
    pub(crate) interrupts_taken: Cell<u64>,
    pub(crate) last_panic: RefCell<Option<String>>,
    pub(crate) inquiry: Inquiry,
}

thread_local! {
    static HERE: Cell<Option<&'static Machine>> = const { Cell::new(None) };
}

/// The machine that this host thread runs.
#[inline]
pub(crate) fn here() -> &'static Machine {
    match HERE.get() {
        Some(machine) => machine,
        None => outside(),
    }
}

/// The CPU numbers that host threads outside of runs have. The kernel's per-CPU data is of the whole host process, so
/// two threads that were one CPU would take each other's locks for their own.
static OUTSIDE: Mutex<[bool; MAX_CPUS]> = Mutex::new([false; MAX_CPUS]);
static ONE_ENDED: Condvar = Condvar::new();

/// A CPU number that a host thread has while it lives.
struct Place(CpuId);

impl Place {
    /// Waits if there are more threads than CPUs.
    fn take() -> Self {
        let mut taken = OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(free) = taken.iter().position(|taken| !taken) {
                taken[free] = true;
                return Self(free);
            }
            taken = ONE_ENDED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = false;
        ONE_ENDED.notify_one();
    }
}

thread_local! {
    static PLACE: Place = Place::take();
}

#[cold]
fn outside() -> &'static Machine {
    let place = PLACE.with(|place| place.0);
    let machine: &'static Machine =
        Box::leak(Box::new(Machine::new(&Config { cpus: place + 1, ..Config::default() }, false)));
    machine.cpus[0].state.set(State::Stopped);
    machine.this.set(place);
    machine.cpu().state.set(State::Running);
    // The host thread's stack is not ours to look at; this is room for the note that goes with it.
    let note: &'static [u128; 2] = Box::leak(Box::new([0; 2]));
    let start = note.as_ptr() as usize;
    machine.boot_stack.set((start, start + size_of_val(note)));
    machine.cpu().interrupts.set(true);
    machine.cpu().preempt.set(contract::preempt::NO_RESCHED);
    HERE.set(Some(machine));
    machine
}

impl Machine {
    pub(crate) fn new(config: &Config, active: bool) -> Self {
        assert!((1..=MAX_CPUS).contains(&config.cpus), "1 to {MAX_CPUS} CPUs");
        let nodes = config.nodes.clamp(1, config.cpus);
        let schedule = Random::new(config.seed, 0);
        let strategy = Strategy::draw(&schedule, config.cpus);
        let machine = Self {
            active: Cell::new(active),
            aside: Cell::new(false),
            records: config.records,
            seed: config.seed,
            command_line: config.command_line,
            initial_ramdisk: config.initial_ramdisk,
            limits: config.limits,
            hooks: Hooks::default(),
            cpus: (0..config.cpus).map(|_| Cpu::new()).collect(),
            nodes,
            this: Cell::new(0),
            clock: Cell::new(0),
            gap: Cell::new(0),
            drawn: Cell::new(0),
            points: Cell::new(0),
            schedule,
            draws: Random::new(config.seed, 1),
            entropy: Random::new(config.seed, 2),
            strategy,
            regions: Box::leak(crate::memory::lay_out(config.memory_bytes, nodes)),
            tlb_counters: Cell::new(TlbCounters::default()),
            large_pages: Cell::new(LargePageCounters::default()),
            stacks: StackPool::default(),
            boot_stack: Cell::new((0, 0)),
            boot_taken: Cell::new(false),
            live: Cell::new(crate::sim::Live::default()),
            trace: Trace::new(config.trace),
            console: RefCell::new(crate::console::Console::new(config.trace)),
            input: RefCell::new(VecDeque::new()),
            faults: Cell::new(config.faults),
            fault_points: Cell::new(0),
            scripts: RefCell::new(Vec::new()),
            interrupts_taken: Cell::new(0),
            last_panic: RefCell::new(None),
            inquiry: Inquiry::default(),
        };
        machine.cpus[0].state.set(State::Running);
        machine
    }

    /// Makes this the machine of the host thread.
    pub(crate) fn take_host_thread(self) -> &'static Self {
        let machine: &'static Self = Box::leak(Box::new(self));
        HERE.set(Some(machine));
        machine
    }

    /// The running CPU's number.
    #[inline]
    pub(crate) fn this(&self) -> CpuId {
        self.this.get()
    }

    /// The CPU that has the host thread changes.
    #[inline]
    pub(crate) fn set_this(&self, cpu: CpuId) {
        self.this.set(cpu);
    }

    /// The running CPU.
    #[inline]
    pub(crate) fn cpu(&self) -> &Cpu {
        &self.cpus[self.this.get()]
    }

    /// All CPUs.
    #[inline]
    pub(crate) fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// How many NUMA nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    /// The node of a CPU: CPUs are dealt out in runs, as on real boards.
    pub(crate) fn node_of(&self, cpu: CpuId) -> usize {
        cpu * self.nodes / self.cpus.len()
    }

    /// The kernel's entry points.
    pub(crate) fn upcalls(&self) -> Option<&'static Upcalls> {
        self.hooks.upcalls.get().copied()
    }
}
