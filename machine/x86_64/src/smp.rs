//! Finding the other CPUs and starting them.
//!
//! A CPU is started by INIT and two start-up interrupts, which make it run the trampoline in real mode.
//! One CPU is started at a time, so what it needs is handed over in three words.

use crate::descriptor::Descriptors;
use crate::entry::trampoline;
use crate::interrupt::vector;
use crate::layout::{DIRECT_BASE, TRAMPOLINE};
use crate::lock::SpinLock;
use crate::percpu::{self, PerCpu};
use crate::{acpi, apic, boot, cpu, paging, region, thread, time, user};
use contract::{CpuId, PAGE_SIZE, StartError};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};

/// Pages of the stacks for double fault, NMI, machine check and debug exception. The first also carries the report.
const OWN_STACK_PAGES: [usize; 4] = [4, 2, 1, 1];
/// How long a CPU is waited for before it counts as silent, and between the start-up interrupts.
const START_LIMIT: u64 = 10_000_000_000;
const STARTUP_REPEAT: u64 = 10_000_000;

/// What the starting CPU takes: its data, a stack for its set-up, the kernel's page tables.
pub(crate) static STARTING_CPU: AtomicPtr<PerCpu> = AtomicPtr::new(null_mut());
pub(crate) static STARTING_STACK: AtomicUsize = AtomicUsize::new(0);
pub(crate) static STARTING_TABLES: AtomicU64 = AtomicU64::new(0);
/// The stack pointer of the context that it goes on in.
static STARTING_CONTEXT: AtomicUsize = AtomicUsize::new(0);

/// The tops of each CPU's own stacks, by CPU.
static OWN_STACKS: [AtomicUsize; contract::MAX_CPUS] =
    [const { AtomicUsize::new(0) }; contract::MAX_CPUS];

/// Makes the data of all CPUs that the firmware names. The boot CPU is number 0.
pub(crate) fn find_cpus() {
    let boot_cpu = percpu::boot_cpu();
    let boot_id = apic::id();
    percpu::register(boot_cpu);
    boot_cpu.apic_id.store(boot_id, Relaxed);
    let mut ready = prepare(boot_cpu);
    for (apic_id, node) in acpi::platform().cpus() {
        if apic_id == boot_id {
            boot_cpu.node.store(node as u32, Relaxed);
            continue;
        }
        let Some(cpu) = new_cpu() else { break };
        percpu::register(cpu);
        cpu.apic_id.store(apic_id, Relaxed);
        cpu.node.store(node as u32, Relaxed);
        ready &= prepare(cpu);
    }
    if !ready {
        boot::give_up("no memory for the stacks of exceptions");
    }
    load_descriptors(boot_cpu);
    let code = trampoline();
    // SAFETY: the page is below the memory that is given away, and in the direct map.
    unsafe {
        ((DIRECT_BASE + TRAMPOLINE) as *mut u8).copy_from_nonoverlapping(code.as_ptr(), code.len());
    }
}

fn new_cpu() -> Option<&'static PerCpu> {
    let frame = region::take_early(size_of::<PerCpu>().div_ceil(PAGE_SIZE))?;
    let cpu = (DIRECT_BASE + frame * PAGE_SIZE) as *mut PerCpu;
    // SAFETY: frames of our own, for ever, large enough, aligned to a page.
    unsafe {
        cpu.write(PerCpu::new());
        Some(&*cpu)
    }
}

/// Makes the stacks for the exceptions that need their own. At the top of each is the word by which
/// the handler finds the CPU's data.
fn prepare(cpu: &'static PerCpu) -> bool {
    let pages: usize = OWN_STACK_PAGES.iter().sum();
    let Some(first) = region::take_early(pages) else { return false };
    let stacks = DIRECT_BASE + first * PAGE_SIZE;
    OWN_STACKS[cpu.id()].store(stacks, Relaxed);
    for top in own_stacks(cpu) {
        // SAFETY: within the frames that were just taken.
        unsafe { (top as *mut *const PerCpu).write(cpu) };
    }
    true
}

/// The tops of the stacks, below the word.
fn own_stacks(cpu: &PerCpu) -> [usize; OWN_STACK_PAGES.len()] {
    let mut end = OWN_STACKS[cpu.id()].load(Relaxed);
    OWN_STACK_PAGES.map(|pages| {
        end += pages * PAGE_SIZE;
        end - 16
    })
}

fn load_descriptors(cpu: &'static PerCpu) {
    let descriptors: &'static Descriptors = &cpu.descriptors;
    descriptors.load(own_stacks(cpu));
    // Loading segments changed GS.
    cpu.adopt();
}

/// Makes a stopped CPU run a context. See the contract.
pub fn start(id: CpuId, idle: &thread::Context) -> Result<(), StartError> {
    static ONE_AT_A_TIME: SpinLock<()> = SpinLock::new(());
    let cpu = percpu::of(id).ok_or(StartError::Absent)?;
    let _one = ONE_AT_A_TIME.lock();
    if cpu.running.load(Acquire) {
        return Err(StartError::Running);
    }
    if cpu.parked.load(Relaxed) {
        cpu.wake.store(true, Release);
        apic::send(cpu.apic_id.load(Relaxed), vector::WAKE);
        let outcome = wait_for(cpu, 0);
        if outcome.is_ok() || cpu.wake.swap(false, AcqRel) {
            return outcome;
        }
        // It has come at the last moment, and is past where it could be told to stay.
        while !cpu.running.load(Acquire) {
            cpu::relax();
        }
        return Ok(());
    }
    let saved = idle.claim().expect("a CPU is started in a context that never ran");
    STARTING_CPU.store(core::ptr::from_ref(cpu).cast_mut(), Relaxed);
    STARTING_STACK.store(own_stacks(cpu)[0], Relaxed);
    STARTING_TABLES.store(paging::root().physical(), Relaxed);
    STARTING_CONTEXT.store(saved, Release);
    let apic_id = cpu.apic_id.load(Relaxed);
    apic::send_init(apic_id);
    let outcome = wait_for(cpu, apic_id + 1);
    if outcome.is_ok() {
        return outcome;
    }
    if STARTING_CONTEXT.swap(0, AcqRel) == 0 {
        // It has come at the last moment: what it took is its own.
        while !cpu.running.load(Acquire) {
            cpu::relax();
        }
        return Ok(());
    }
    // Wherever it is on its way, it waits for a start again, and does not come when nobody counts on it.
    apic::send_init(apic_id);
    idle.release(saved);
    outcome
}

/// Waits until a CPU runs; sends it start-up interrupts, to the number before `startup`, if that is not 0.
fn wait_for(cpu: &PerCpu, startup: u32) -> Result<(), StartError> {
    let begin = time::now();
    let mut repeat = begin;
    while !cpu.running.load(Acquire) {
        let now = time::now();
        if now - begin > START_LIMIT {
            return Err(StartError::Silent);
        }
        if startup != 0 && now >= repeat {
            apic::send_startup(startup - 1, TRAMPOLINE);
            repeat = now + STARTUP_REPEAT;
        }
        cpu::relax();
    }
    Ok(())
}

/// Where another CPU's Rust begins: on the stack for its double faults, the kernel's tables loaded.
pub(crate) extern "C" fn start_other(cpu: &'static PerCpu) -> ! {
    cpu.adopt();
    paging::adopt();
    load_descriptors(cpu);
    apic::start_local();
    user::start_cpu();
    let context = STARTING_CONTEXT.swap(0, AcqRel);
    if context == 0 {
        // Too late. It is reset in a moment.
        loop {
            cpu::relax();
        }
    }
    cpu::mark_running();
    // SAFETY: the CPU that started this one claimed the context for it.
    unsafe { thread::resume(context) }
}
