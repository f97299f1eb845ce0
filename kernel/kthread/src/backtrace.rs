//! Who called whom: on this CPU, in a task that sleeps, on another CPU.
//!
//! In the log addresses are printed one a line, ` [<address>] function+offset/length`, with the names that the image carries; what
//! `/proc` shows of a task that sleeps has these, too. The host's tools put better names to addresses, and lines.
//!
//! Another CPU is asked by a non-maskable interrupt, which it takes wherever it is stuck. It may be stuck with the log's lock
//! held, so its handler writes nothing but its own [`Answer`], and the asker prints that.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use log::Level;
use machine::preempt::{HARDIRQ_MASK, SOFTIRQ_MASK};
use machine::thread::Context;
use machine::{CPU_REGISTER_WORDS, CpuId, CpuRegisters};
use sched::{COMM_LENGTH, Comm, CpuMask, NameBuffer, Task, WORK_LENGTH, state};
use symbols::Symbol;
use sync::{IrqGuard, LockClass, PerCpu, SpinLock, per_cpu};

use crate::registers::{self, Detail};

/// Outermost of this file; taken with interrupts off, in interrupts too. The log's lock is taken inside.
static ASKING_LOCK: LockClass = LockClass::new("cpu_backtrace");
/// One asker at a time: answers have one place.
static ASKING: SpinLock<()> = SpinLock::new(&ASKING_LOCK, ());

/// The deepest backtrace of another CPU.
const DEPTH: usize = 24;
/// How long an answer is waited for, in nanoseconds: on a virtual machine the host may have held the CPU up.
const PATIENCE: u64 = 10 * time::SECOND;
/// As long as an answer takes that nothing holds up.
const SOON: u64 = 100 * time::MILLISECOND;

/// The kernel as reports name it: what is known to be wrong with it, its release, and the number of its build.
pub struct KernelName;

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = process::VERSION.split(' ').next().unwrap_or_default();
        write!(f, "{} {} {build}", taint::Shown::now(), process::RELEASE)
    }
}

/// The level of the lines of a report that have none of their own on Linux.
const REPORT: Level = Level::Warn;

fn print_cpu_and_task(cpu: CpuId, pid: u32, comm: Comm, work: &[u8]) {
    log::log!(REPORT, "CPU: {cpu} PID: {pid} Comm: {comm} {KernelName}");
    print_work(REPORT, work);
}

/// Prints what modules there are, which is none. Any context.
pub fn print_modules() {
    log::log!(REPORT, "Modules linked in:");
}

/// What a worker is at, if it is at anything.
fn print_work(level: Level, work: &[u8]) {
    if !work.is_empty() {
        log::log!(level, "Workqueue: {}", core::str::from_utf8(work).unwrap_or("?"));
    }
}

/// What a task works at for the workqueue; empty: at nothing.
fn work_of(task: &Task) -> NameBuffer<WORK_LENGTH> {
    sched::work_of(task).unwrap_or_default()
}

/// A task's name. What is reported may have gone wrong while this CPU was changing it: nobody is waited for who does not come to an end.
fn name_of(task: &Task) -> Comm {
    const TRIES: u32 = 1000;
    let _irqs_off = IrqGuard::new();
    for _ in 0..TRIES {
        if let Some(comm) = task.try_comm() {
            return comm;
        }
        machine::cpu::relax();
    }
    Comm::new(b"?")
}

/// Prints the running task, and what it has called from a frame pointer on. Any context.
pub fn print_running(frame_pointer: usize) {
    let me = sched::current();
    print_cpu_and_task(machine::cpu::id(), me.pid(), name_of(&me), work_of(&me).as_bytes());
    let bounds = me.context().stack_bounds();
    let interrupted = machine::backtrace::interrupted();
    print_trace(REPORT, interrupted.as_ref(), &|visit| {
        machine::backtrace::walk(frame_pointer, bounds.clone(), visit);
    });
}

/// Prints the running task with registers of its, and what it had called where they were as they are. Any context.
pub fn print_registers(registers: &CpuRegisters) {
    let me = sched::current();
    print_cpu_and_task(machine::cpu::id(), me.pid(), name_of(&me), work_of(&me).as_bytes());
    registers::print(REPORT, registers, Detail::All);
    // What a program called is its own affair.
    if !registers.in_user() {
        let bounds = me.context().stack_bounds();
        print_trace(REPORT, None, &|visit| {
            machine::backtrace::walk(registers.frame_pointer(), bounds.clone(), visit);
        });
    }
}

/// Prints what the CPU ran when the interrupt came in whose handler this is. In an interrupt.
pub fn print_interrupted() {
    match machine::backtrace::interrupted() {
        Some(registers) => print_registers(&registers),
        None => print_running(machine::backtrace::frame_pointer()),
    }
}

/// Prints what this CPU does: in an interrupt, what that came into. Any context but a non-maskable interrupt.
pub fn print_this_cpu() {
    log::log!(REPORT, "NMI backtrace for cpu {}", machine::cpu::id());
    match machine::backtrace::interrupted().filter(|_| sync::in_interrupt()) {
        Some(registers) => print_registers(&registers),
        None => print_running(machine::backtrace::frame_pointer()),
    }
}

/// Calls something with each return address.
type Walk<'a> = dyn Fn(&mut dyn FnMut(usize)) + 'a;

/// Prints return addresses, from the innermost on. What interrupts have called stands between `<IRQ>` and `</IRQ>`, and behind that
/// what was interrupted, with its registers if they are known and there was but one interrupt.
fn print_trace(level: Level, interrupted: Option<&CpuRegisters>, walk: &Walk<'_>) {
    // The outermost interrupt: what it calls is what others interrupt.
    let (mut length, mut interrupts, mut outermost) = (0, 0, 0);
    walk(&mut |address| {
        length += 1;
        if machine::backtrace::is_interrupt(address) {
            interrupts += 1;
            outermost = length;
        }
    });
    log::log!(level, "Call Trace:");
    log::log!(level, " {}", if interrupts > 0 { "<IRQ>" } else { "<TASK>" });
    let mut place = 0;
    walk(&mut |address| {
        place += 1;
        if place == outermost {
            log::log!(level, " </IRQ>");
            log::log!(level, " <TASK>");
            if let Some(registers) = interrupted.filter(|_| interrupts == 1) {
                registers::print(level, registers, Detail::General);
            }
        } else if !machine::backtrace::is_interrupt(address) {
            print_address(level, address);
        }
    });
    log::log!(level, " </TASK>");
}

/// The innermost return address from a frame pointer of the running task on: in the function that called the one whose frame it
/// is. 0: the stack ends there. Any context.
pub(crate) fn caller(frame_pointer: usize) -> usize {
    let mut innermost = 0;
    machine::backtrace::walk(
        frame_pointer,
        sched::current().context().stack_bounds(),
        &mut |address| {
            if innermost == 0 {
                innermost = address;
            }
        },
    );
    innermost
}

fn print_address(level: Level, address: usize) {
    match symbol_at(address) {
        Some(Symbol { name, offset, size, .. }) => {
            log::log!(level, " [<{address:016x}>] {name}+{offset:#x}/{size:#x}");
        }
        None => log::log!(level, " [<{address:016x}>]"),
    }
}

/// Prints a task and where it sleeps, as `sched_show_task` of Linux does. A task that runs on another CPU has no backtrace. Any
/// context in which the process table is not locked.
pub fn print_task(task: &Task) {
    let mut name = NameBuffer::<COMM_LENGTH>::new();
    name.format(format_args!("{}", task.comm()));
    let runs = task.state() == state::RUNNING;
    log::info!(
        "task:{:<15} state:{}{} stack:{:<5} pid:{:<5} ppid:{:<6} flags:{:#010x}",
        core::str::from_utf8(name.as_bytes()).unwrap_or("?"),
        state::letter(task.state()),
        if runs { "  running task    " } else { "" },
        0,
        task.pid(),
        process::parent_number(task).unwrap_or(0),
        task.flags().bits()
    );
    print_work(Level::Info, work_of(task).as_bytes());
    log::info!("Call Trace:");
    log::info!(" <TASK>");
    // If it is woken and runs on meanwhile, these are the addresses of two moments: they are read as numbers, and only within
    // its stack.
    let start = match core::ptr::eq(&*sched::current(), task) {
        true => machine::backtrace::frame_pointer(),
        false if task.is_on_cpu() => 0,
        false => Context::saved_frame_pointer(task.context()),
    };
    machine::backtrace::walk(start, task.context().stack_bounds(), &mut |address| {
        if !machine::backtrace::is_interrupt(address) {
            print_address(Level::Info, address);
        }
    });
    log::info!(" </TASK>");
}

/// Calls with the return addresses of a task that sleeps, from the innermost on; not at all for one that is
/// runnable, or has run for the last time. Any context.
pub fn walk_sleeping(task: &Task, visit: &mut dyn FnMut(usize)) {
    if task.is_queued() || task.is_on_cpu() || task.state() & state::DEAD != 0 {
        return;
    }
    // If it is woken and runs on meanwhile: as in `print_task`.
    let start = Context::saved_frame_pointer(task.context());
    machine::backtrace::walk(start, task.context().stack_bounds(), visit);
}

/// The function that a return address leads back to, if the image carries its name. The address is that behind the call, which
/// may be the end of the function.
pub fn symbol_at(return_address: usize) -> Option<Symbol<'static>> {
    let symbol = symbol_of(return_address.checked_sub(1)?)?;
    Some(Symbol { offset: symbol.offset + 1, ..symbol })
}

/// The function that an instruction is in, if the image carries its name.
pub(crate) fn symbol_of(instruction: usize) -> Option<Symbol<'static>> {
    let (base, table) = machine::backtrace::symbols();
    symbols::Table::new(base, table).find(instruction)
}

/// Where a task sleeps (`wchan`): the innermost function that is not part of waiting itself. None: it does not sleep, or the
/// image carries no name for that. Any context.
pub fn waits_in(task: &Task) -> Option<&'static str> {
    let mut found = None;
    walk_sleeping(task, &mut |address| {
        if found.is_none() {
            found =
                symbol_at(address).filter(|symbol| !symbol.is_waiting).map(|symbol| symbol.name);
        }
    });
    found
}

/// Where an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Progress {
    /// Nobody has asked.
    None = 0,
    /// Asked; the CPU has not taken the interrupt.
    Asked = 1,
    /// The rest is filled in.
    Given = 2,
}

/// A text of whoever answers for the asker: its bytes, then zeros.
struct Words<const LENGTH: usize>([AtomicU8; LENGTH]);

impl<const LENGTH: usize> Words<LENGTH> {
    const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; LENGTH])
    }

    fn put(&self, text: &[u8]) {
        for (i, place) in self.0.iter().enumerate() {
            place.store(text.get(i).copied().unwrap_or(0), Ordering::Relaxed);
        }
    }

    fn get(&self) -> [u8; LENGTH] {
        self.0.each_ref().map(|byte| byte.load(Ordering::Relaxed))
    }
}

/// What a CPU was doing when it was asked.
struct Answer {
    progress: AtomicU32,
    pid: AtomicU32,
    comm: Words<COMM_LENGTH>,
    work: Words<WORK_LENGTH>,
    registers: [AtomicU64; CPU_REGISTER_WORDS],
    /// Its idle task ran, and no interrupt on top of that.
    idles: AtomicBool,
    count: AtomicUsize,
    addresses: [AtomicUsize; DEPTH],
}

static ANSWERS: PerCpu<Answer> = per_cpu!(Answer {
    progress: AtomicU32::new(Progress::None as u32),
    pid: AtomicU32::new(0),
    comm: Words::new(),
    work: Words::new(),
    registers: [const { AtomicU64::new(0) }; CPU_REGISTER_WORDS],
    idles: AtomicBool::new(false),
    count: AtomicUsize::new(0),
    addresses: [const { AtomicUsize::new(0) }; DEPTH],
});

/// Prints what other CPUs do, or that they do not say. Spins for up to 10 s for each. Any context but a non-maskable interrupt,
/// with preemption off.
pub fn print_cpus(cpus: CpuMask) {
    if !cpus.is_empty() {
        log::log!(REPORT, "Sending NMI from CPU {} to CPUs {cpus}:", machine::cpu::id());
        cpus.iter().for_each(print_cpu);
    }
}

fn print_cpu(cpu: CpuId) {
    let _alone = ASKING.lock_irq();
    let answer = ANSWERS.of(cpu);
    answer.progress.store(Progress::Asked as u32, Ordering::Relaxed);
    machine::irq::send_nmi(cpu);
    let asked = machine::time::now();
    // Acquire pairs with the Release in `nmi`: the rest of the answer is there.
    while answer.progress.load(Ordering::Acquire) != Progress::Given as u32 {
        let waited = machine::time::now() - asked;
        if waited > PATIENCE {
            log::log!(REPORT, "NMI backtrace for cpu {cpu}");
            log::log!(REPORT, "CPU: {cpu} does not answer");
            return;
        }
        if waited > SOON {
            // That is no lockup of this CPU.
            sched::watch::touch_nmi_watchdog();
        }
        machine::cpu::relax();
    }
    let words = answer.registers.each_ref().map(|word| word.load(Ordering::Relaxed));
    let registers = CpuRegisters(words);
    if answer.idles.load(Ordering::Relaxed) {
        let at = registers::Instruction(&registers);
        log::log!(REPORT, "NMI backtrace for cpu {cpu} skipped: idling at {at}");
        return;
    }
    log::log!(REPORT, "NMI backtrace for cpu {cpu}");
    let pid = answer.pid.load(Ordering::Relaxed);
    let work = answer.work.get();
    let length = work.iter().position(|&byte| byte == 0).unwrap_or(WORK_LENGTH);
    print_cpu_and_task(cpu, pid, Comm::new(&answer.comm.get()), &work[..length]);
    registers::print(REPORT, &registers, Detail::All);
    let addresses = &answer.addresses[..answer.count.load(Ordering::Relaxed).min(DEPTH)];
    if !addresses.is_empty() {
        print_trace(REPORT, None, &|visit| {
            addresses.iter().for_each(|address| visit(address.load(Ordering::Relaxed)));
        });
    }
}

/// `Upcalls::nmi`: another CPU wants to know what this one does.
pub fn nmi(registers: &CpuRegisters) {
    let answer = ANSWERS.this();
    if answer.progress.load(Ordering::Relaxed) != Progress::Asked as u32 || !sched::has_current() {
        return;
    }
    let mut count = 0;
    let mut add = |address| {
        if count < DEPTH {
            answer.addresses[count].store(address, Ordering::Relaxed);
            count += 1;
        }
    };
    let me = sched::current();
    if !registers.in_user() {
        let frame_pointer = registers.frame_pointer();
        machine::backtrace::walk(frame_pointer, me.context().stack_bounds(), &mut add);
    }
    for (place, &word) in answer.registers.iter().zip(&registers.0) {
        place.store(word, Ordering::Relaxed);
    }
    let others = machine::cpu::preempt_count() & (HARDIRQ_MASK | SOFTIRQ_MASK);
    answer.idles.store(me.is_idle() && others == 0, Ordering::Relaxed);
    answer.pid.store(me.pid(), Ordering::Relaxed);
    let comm = me.try_comm().unwrap_or(Comm::new(b"?"));
    answer.comm.put(comm.as_bytes());
    answer.work.put(work_of(&me).as_bytes());
    answer.count.store(count, Ordering::Relaxed);
    answer.progress.store(Progress::Given as u32, Ordering::Release);
}
