//! What each CPU has for itself, found through the GS segment.
//!
//! While the kernel runs, GS points at this CPU's [`PerCpu`]; while user mode runs, the address waits
//! in the shadow register that `swapgs` exchanges. The words that are read and changed all the time
//! are reached by one instruction with a GS prefix: an interrupt or a move to another CPU comes
//! before or after it, never in between.

use crate::descriptor::Descriptors;
use crate::registers::{msr, wrmsr};
use crate::tlb::Mailbox;
use crate::tlb::Space;
use crate::user::state::UserState;
use contract::{CpuId, MAX_CPUS, NodeId, preempt::PREEMPT_AT_START};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

/// One CPU's own data. Its fields are atomic because other CPUs look at some of them; those that
/// only their own CPU uses are accessed `Relaxed`.
#[repr(C, align(64))]
pub struct PerCpu {
    /// Its own address, so that one instruction finds it.
    this: AtomicPtr<PerCpu>,
    /// The word of [`contract::preempt`].
    pub preempt_count: AtomicU32,
    /// The number of this CPU.
    pub id: AtomicU32,
    /// The kernel's word for the running task.
    pub current: AtomicPtr<()>,
    /// The stack pointer in [`crate::user::enter`] while user mode runs.
    pub kernel_stack: AtomicUsize,
    /// Where the user's stack pointer waits for a moment at the start of a system call.
    pub user_stack: AtomicUsize,
    /// The user state whose newest version is in the registers, not in memory. Null in kernel threads.
    pub live_state: AtomicPtr<UserState>,
    /// The user state that was loaded last: the registers still hold it if it was loaded nowhere else since.
    pub loaded_state: AtomicPtr<UserState>,
    /// What is in DR7: not 0 while some program's addresses are watched.
    pub watch_control: AtomicU64,
    /// The address space in CR3, null for the kernel's own.
    pub loaded_space: AtomicPtr<Space>,
    /// That space is only borrowed: nothing on this CPU uses its translations. See [`crate::tlb`].
    pub borrows: AtomicBool,
    /// Flush requests from other CPUs.
    pub mailbox: Mailbox,
    /// When the timer shall go off, `u64::MAX` for never.
    pub deadline: AtomicU64,
    /// Interrupts taken.
    pub counts: Counts,
    /// Whether the CPU runs, and whether it is to go on when it is parked.
    pub running: AtomicBool,
    pub parked: AtomicBool,
    pub wake: AtomicBool,
    /// The number by which interrupts are sent to it.
    pub apic_id: AtomicU32,
    pub node: AtomicU32,
    /// Segments, the task state segment and the stacks for the exceptions that need their own.
    pub descriptors: Descriptors,
}

/// How many interrupts of each kind a CPU has taken.
pub struct Counts {
    pub timer: AtomicU64,
    pub reschedule: AtomicU64,
    pub call_function: AtomicU64,
    pub tlb: AtomicU64,
    pub console: AtomicU64,
    pub nmi: AtomicU64,
    /// Address-space switches, own flushes and flush requests sent.
    pub switches: AtomicU64,
    pub local_flushes: AtomicU64,
    pub remote_flushes: AtomicU64,
}

/// Adds one to a counter that only this CPU changes.
#[inline]
pub(crate) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl PerCpu {
    pub const fn new() -> Self {
        Self {
            this: AtomicPtr::new(null_mut()),
            preempt_count: AtomicU32::new(PREEMPT_AT_START),
            id: AtomicU32::new(0),
            current: AtomicPtr::new(null_mut()),
            kernel_stack: AtomicUsize::new(0),
            user_stack: AtomicUsize::new(0),
            live_state: AtomicPtr::new(null_mut()),
            loaded_state: AtomicPtr::new(null_mut()),
            watch_control: AtomicU64::new(0),
            loaded_space: AtomicPtr::new(null_mut()),
            borrows: AtomicBool::new(false),
            mailbox: Mailbox::new(),
            deadline: AtomicU64::new(u64::MAX),
            counts: Counts {
                timer: AtomicU64::new(0),
                reschedule: AtomicU64::new(0),
                call_function: AtomicU64::new(0),
                tlb: AtomicU64::new(0),
                console: AtomicU64::new(0),
                nmi: AtomicU64::new(0),
                switches: AtomicU64::new(0),
                local_flushes: AtomicU64::new(0),
                remote_flushes: AtomicU64::new(0),
            },
            running: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            wake: AtomicBool::new(false),
            apic_id: AtomicU32::new(0),
            node: AtomicU32::new(0),
            descriptors: Descriptors::new(),
        }
    }

    /// Makes this the data of the CPU that calls.
    pub fn adopt(&'static self) {
        self.this.store(core::ptr::from_ref(self).cast_mut(), Relaxed);
        // SAFETY: GS points at data that lives for ever from here on.
        unsafe { wrmsr(msr::GS_BASE, core::ptr::from_ref(self) as u64) };
    }

    /// The CPU's number.
    pub fn id(&self) -> CpuId {
        self.id.load(Relaxed) as CpuId
    }

    /// The CPU's node.
    pub fn node(&self) -> NodeId {
        self.node.load(Relaxed) as NodeId
    }
}

static BOOT_CPU: PerCpu = PerCpu::new();
static TABLE: [AtomicPtr<PerCpu>; MAX_CPUS] = [const { AtomicPtr::new(null_mut()) }; MAX_CPUS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The boot CPU's data, before there is a table.
pub(crate) fn boot_cpu() -> &'static PerCpu {
    &BOOT_CPU
}

/// Gives the next CPU its number.
pub(crate) fn register(cpu: &'static PerCpu) {
    let id = COUNT.load(Relaxed);
    assert!(id < MAX_CPUS);
    cpu.id.store(id as u32, Relaxed);
    TABLE[id].store(core::ptr::from_ref(cpu).cast_mut(), Release);
    COUNT.store(id + 1, Release);
}

/// How many CPUs there are.
pub(crate) fn cpus() -> usize {
    COUNT.load(Relaxed)
}

/// The data of CPU `id`, if there is one.
pub(crate) fn of(id: CpuId) -> Option<&'static PerCpu> {
    let cpu = TABLE.get(id)?.load(Acquire);
    // SAFETY: what `register` puts there lives for ever.
    unsafe { cpu.as_ref() }
}

/// The data of the CPU that this runs on.
#[inline]
pub(crate) fn this() -> &'static PerCpu {
    let cpu: *const PerCpu;
    // SAFETY: GS points at a `PerCpu`, whose first word is its address.
    unsafe {
        core::arch::asm!("mov {}, gs:[0]", out(reg) cpu, options(readonly, nostack, preserves_flags));
        &*cpu
    }
}
