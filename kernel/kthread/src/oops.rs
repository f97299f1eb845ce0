//! When kernel code fails: a task dies alone where that is safe, and the kernel panics where it is not.
//!
//! It is safe in a kernel thread that kthreadd made and in a user task's system call, outside interrupts, with no spin lock and
//! no sleeping lock held, on no wait queue, and not on the way out already. What the task had on its stack is lost. A thread's
//! joiner learns of the end; a user task's parent sees it killed by SIGSEGV.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicUsize, Ordering};

use machine::{Oops, OopsKind};
use sched::TaskFlags;
use sync::Once;
use taint::Flag;

use crate::backtrace;
use crate::thread::{End, record_of};

/// `panic_on_oops`: every oops is a panic.
static PANIC_ON_OOPS: AtomicBool = AtomicBool::new(false);
/// `panic=`: seconds until the machine is reset after a panic; 0: never; below: at once.
static PANIC_TIMEOUT: AtomicI32 = AtomicI32::new(0);
/// The CPU that panics, plus one.
static PANICKING: AtomicUsize = AtomicUsize::new(0);
/// What ends the run instead of a reset: tests have their own.
static FINAL: Once<fn(&str) -> !> = Once::new();

/// What is told of a thread that dies of an oops.
static DEATH: Once<fn()> = Once::new();

/// Says what a thread calls that dies of an oops, before it leaves: whoever gave it work learns so that it will not be done. It
/// runs in the dying thread, with no lock held, and may take spin locks. Once.
pub fn set_death_hook(hook: fn()) {
    let fresh = DEATH.set(hook).is_ok();
    assert!(fresh, "the death hook is set once");
}

/// Whether every oops is a panic.
pub fn panic_on_oops() -> bool {
    PANIC_ON_OOPS.load(Ordering::Relaxed)
}

/// Makes every oops a panic, or not.
pub fn set_panic_on_oops(on: bool) {
    PANIC_ON_OOPS.store(on, Ordering::Relaxed);
}

/// `panic_print`: what a panic shows besides, as bits ([`set_print_hook`]).
pub static PANIC_PRINT: AtomicI64 = AtomicI64::new(0);
/// `oops_all_cpu_backtrace`: an oops shows what each CPU does.
pub static ALL_CPU_BACKTRACE: AtomicI64 = AtomicI64::new(0);
static PRINT: Once<fn(i64)> = Once::new();

/// Says who shows what `panic_print` asks for, in whatever context the panic came. Once.
pub fn set_print_hook(hook: fn(i64)) {
    let fresh = PRINT.set(hook).is_ok();
    assert!(fresh, "the print hook is set once");
}

/// The seconds between a panic and the reset: 0 for never, below 0 for at once.
pub fn panic_timeout() -> i32 {
    PANIC_TIMEOUT.load(Ordering::Relaxed)
}

/// Sets [`panic_timeout`].
pub fn set_panic_timeout(seconds: i32) {
    PANIC_TIMEOUT.store(seconds, Ordering::Relaxed);
}

/// Remembers that something has gone wrong, which is the kernel's end if `panic_on_taint=` has it so. Any context.
pub fn add_taint(flag: Flag) {
    if taint::add(flag) {
        panic(format_args!("panic_on_taint set ..."));
    }
}

/// Says what a panic ends in, in place of halting or resetting the machine. Once.
pub fn set_final_hook(hook: fn(&str) -> !) {
    // A second hook would come from a second test harness: there is one.
    let _ = FINAL.set(hook);
}

struct Kind<'a>(&'a Oops<'a>);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            OopsKind::Panic => write!(f, "kernel code panicked: {}", self.0.message),
            OopsKind::PageFault { address, access } => {
                write!(f, "unable to handle page fault at {address:#018x} ({access:?})")
            }
            OopsKind::StackOverflow { address } => {
                write!(f, "kernel stack overflow, guard page hit at {address:#018x}")
            }
            OopsKind::Exception { vector, code } => {
                write!(f, "exception {vector} (error code {code:#x})")
            }
        }
    }
}

/// `Upcalls::oops`: something failed in kernel mode on this CPU.
pub fn oops(oops: &Oops<'_>) -> ! {
    let safe = dies_alone(oops);
    if !safe {
        klog::begin_crash();
    }
    static DEATHS: AtomicUsize = AtomicUsize::new(0);
    let number = DEATHS.fetch_add(1, Ordering::Relaxed) + 1;
    log::error!("Oops: {} [#{number}] PREEMPT SMP", Kind(oops));
    if sched::has_current() {
        match oops.registers {
            Some(registers) => backtrace::print_registers(registers),
            None => backtrace::print_running(oops.frame_pointer),
        }
    }
    backtrace::print_modules();
    if ALL_CPU_BACKTRACE.load(Ordering::Relaxed) != 0 {
        let _here = sync::PreemptGuard::new();
        backtrace::print_cpus(sched::online().without(machine::cpu::id()));
    }
    log::warn!("---[ end trace 0000000000000000 ]---");
    // What the report says had been wrong before.
    add_taint(Flag::Die);
    if !safe {
        end_kernel(format_args!("{}", Reason(oops)), false);
    }
    if let Some(limit) = taint::OOPSES.add() {
        panic(format_args!("Oopsed too often (kernel.oops_limit is {limit})"));
    }
    let me = sched::current_ref();
    if let Some(record) = record_of(&me) {
        record.finish(End::Panicked, 0);
    }
    drop(me);
    // It may have been about to sleep.
    sched::set_current_running();
    machine::irq::enable();
    if let Some(hook) = DEATH.get() {
        hook();
    }
    process::do_exit(SIGNAL_STATUS)
}

/// What `wait` would report: killed by SIGSEGV.
const SIGNAL_STATUS: u32 = 11;

/// Why the whole kernel goes down with it.
struct Reason<'a>(&'a Oops<'a>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if sync::in_interrupt() {
            return f.write_str("Fatal exception in interrupt");
        }
        if let OopsKind::StackOverflow { .. } = self.0.kind {
            write!(f, "kernel stack overflow")?;
            if sched::has_current() {
                write!(f, " in {:?}", &*sched::current())?;
            }
            return Ok(());
        }
        f.write_str("Fatal exception")
    }
}

/// Whether the rest of the kernel can go on without the running task.
fn dies_alone(oops: &Oops<'_>) -> bool {
    if panic_on_oops()
        || matches!(oops.kind, OopsKind::StackOverflow { .. })
        || sync::in_interrupt()
        || !sched::has_current()
        // With interrupts off a spin lock may be held, or a per-CPU cell be in use.
        || !oops.interrupts_on
    {
        return false;
    }
    let me = sched::current();
    let held = machine::cpu::preempt_count() & machine::preempt::PREEMPT_MASK != 0
        || sync::lockdep::held_spinning() != 0
        || !me.held_locks().is_empty();
    // Whoever waits stands on the queue with links that its end may need for another.
    let stuck = me.is_on_wait_queue() || me.flags().contains(TaskFlags::EXITING);
    !held && !stuck && !me.is_idle() && (record_of(&me).is_some() || !me.is_kthread())
}

/// Ends the kernel: says why and from where, and halts or resets the machine. Any context.
pub fn panic(reason: fmt::Arguments<'_>) -> ! {
    end_kernel(reason, true)
}

fn end_kernel(reason: fmt::Arguments<'_>, with_backtrace: bool) -> ! {
    let _ = machine::irq::disable();
    let here = machine::cpu::id() + 1;
    let first = PANICKING.compare_exchange(0, here, Ordering::SeqCst, Ordering::SeqCst);
    if first.is_err() {
        // Another CPU panics, or this one while it did: nothing more can be said.
        halt();
    }
    klog::begin_crash();
    log::error!("Kernel panic - not syncing: {reason}");
    if with_backtrace && sched::has_current() {
        backtrace::print_running(machine::backtrace::frame_pointer());
    }
    let bits = PANIC_PRINT.load(Ordering::Relaxed);
    if bits != 0
        && let Some(print) = PRINT.get()
    {
        // While the others run: what it looks at may be locked by one of them.
        print(bits);
    }
    for cpu in
        (0..machine::cpu::count()).filter(|&cpu| cpu + 1 != here && machine::cpu::is_running(cpu))
    {
        machine::irq::send(cpu, machine::Ipi::CallFunction);
    }
    if let Some(end) = FINAL.get() {
        let mut text = sched::NameBuffer::<256>::new();
        text.format(format_args!("kernel panic: {reason}"));
        end(core::str::from_utf8(text.as_bytes()).unwrap_or("kernel panic"));
    }
    let seconds = panic_timeout();
    if seconds == 0 {
        log::error!("---[ end Kernel panic - not syncing: {reason} ]---");
        halt();
    }
    let deadline = machine::time::now() + u64::from(seconds.max(0).unsigned_abs()) * time::SECOND;
    while machine::time::now() < deadline {
        machine::cpu::relax();
    }
    machine::power::reset()
}

/// `Upcalls::call_function`: another CPU panics, and this one is to stand still.
pub fn stop_if_panicking() {
    if PANICKING.load(Ordering::SeqCst) != 0 {
        halt();
    }
}

fn halt() -> ! {
    loop {
        machine::cpu::relax();
    }
}
