//! Segments, the task state segment and the interrupt table.
//!
//! Selectors are laid out so that `syscall` and `sysret` find what they want, and user mode sees the
//! values that Linux gives (CS 0x33, SS 0x2b). Four exceptions can come while the stack pointer is
//! worthless, and have stacks of their own: the double fault (a kernel stack that ran over), the
//! non-maskable interrupt, the machine check and the debug exception (between `syscall` and the switch
//! of stacks; the last if `syscall` follows a load of SS from a watched address).

use crate::interrupt::stubs;
use crate::percpu::PerCpu;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::{offset_of, size_of};

pub(crate) const KERNEL_CODE: u16 = 0x10;
pub(crate) const KERNEL_DATA: u16 = 0x18;
pub(crate) const USER_CODE_32: u16 = 0x23;
pub(crate) const USER_DATA: u16 = 0x2b;
pub(crate) const USER_CODE: u16 = 0x33;
const TASK_STATE: u16 = 0x40;

/// The stacks of the exceptions that need their own, by their number in the task state segment.
pub(crate) const DOUBLE_FAULT_STACK: u8 = 1;
pub(crate) const NMI_STACK: u8 = 2;
pub(crate) const MACHINE_CHECK_STACK: u8 = 3;
pub(crate) const DEBUG_STACK: u8 = 4;

/// The 64-bit task state segment.
#[repr(C, packed(4))]
pub(crate) struct TaskState {
    reserved: u32,
    /// The stack pointer for interrupts that come from user mode.
    pub kernel_stack: u64,
    rsp1: u64,
    rsp2: u64,
    reserved2: u64,
    interrupt_stacks: [u64; 7],
    reserved3: u64,
    reserved4: u16,
    io_map: u16,
}

/// A CPU's segment table and task state, and the stacks that the latter names.
#[repr(C, align(16))]
pub struct Descriptors {
    table: UnsafeCell<[u64; 10]>,
    /// Puts `kernel_stack` on a multiple of eight.
    padding: u32,
    state: UnsafeCell<TaskState>,
}

// SAFETY: only its own CPU changes it, at start-up and with interrupts off.
unsafe impl Sync for Descriptors {}

/// Where `kernel_stack` of the task state is in [`PerCpu`].
pub(crate) const KERNEL_STACK_OFFSET: usize = offset_of!(PerCpu, descriptors)
    + offset_of!(Descriptors, state)
    + offset_of!(TaskState, kernel_stack);

impl Descriptors {
    pub const fn new() -> Self {
        Self {
            table: UnsafeCell::new([
                0,
                0x00cf_9b00_0000_ffff, // 0x08: 32-bit kernel code, for start-up
                0x00af_9b00_0000_ffff, // 0x10: kernel code
                0x00cf_9300_0000_ffff, // 0x18: kernel data
                0x00cf_fb00_0000_ffff, // 0x20: 32-bit user code
                0x00cf_f300_0000_ffff, // 0x28: user data
                0x00af_fb00_0000_ffff, // 0x30: user code
                0,
                0, // 0x40: task state
                0,
            ]),
            padding: 0,
            state: UnsafeCell::new(TaskState {
                reserved: 0,
                kernel_stack: 0,
                rsp1: 0,
                rsp2: 0,
                reserved2: 0,
                interrupt_stacks: [0; 7],
                reserved3: 0,
                reserved4: 0,
                io_map: size_of::<TaskState>() as u16,
            }),
        }
    }

    /// Loads segments, task state and interrupt table on this CPU. `stacks` are the tops of the stacks
    /// for double fault, NMI, machine check and debug exception.
    pub fn load(&'static self, stacks: [usize; 4]) {
        let state = self.state.get();
        let base = state as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        // SAFETY: the tables live for ever, and nobody but this CPU, with interrupts off, uses them
        // yet. The selectors name what `new` put there.
        unsafe {
            for (i, top) in stacks.into_iter().enumerate() {
                (*state).interrupt_stacks[i] = top as u64;
            }
            let table = &mut *self.table.get();
            table[8] = limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
            table[9] = base >> 32;
            load_table(b"gdt", self.table.get() as usize, size_of::<[u64; 10]>());
            asm!(
                "push {code}",
                "lea {scratch}, [rip + 2f]",
                "push {scratch}",
                "retfq",
                "2:",
                "mov ss, {data:e}",
                "ltr {task:x}",
                code = const KERNEL_CODE,
                data = in(reg) u32::from(KERNEL_DATA),
                task = in(reg) u32::from(TASK_STATE),
                scratch = out(reg) _,
            );
            load_table(b"idt", INTERRUPT_TABLE.0.get() as usize, size_of::<[[u64; 2]; 256]>());
        }
    }
}

/// # Safety
/// The table holds valid descriptors and lives for ever.
unsafe fn load_table(which: &[u8; 3], base: usize, size: usize) {
    #[repr(C, packed)]
    struct Pointer {
        limit: u16,
        base: u64,
    }
    let pointer = Pointer { limit: size as u16 - 1, base: base as u64 };
    // SAFETY: the caller's promise.
    unsafe {
        if which == b"gdt" {
            asm!("lgdt [{}]", in(reg) &pointer, options(readonly, nostack, preserves_flags));
        } else {
            asm!("lidt [{}]", in(reg) &pointer, options(readonly, nostack, preserves_flags));
        }
    }
}

struct InterruptTable(UnsafeCell<[[u64; 2]; 256]>);

// SAFETY: written by the boot CPU alone before any other runs, then only read by processors.
unsafe impl Sync for InterruptTable {}

static INTERRUPT_TABLE: InterruptTable = InterruptTable(UnsafeCell::new([[0; 2]; 256]));

/// Fills the interrupt table; once, on the boot CPU.
pub(crate) fn fill_interrupt_table() {
    // SAFETY: see the type.
    let table = unsafe { &mut *INTERRUPT_TABLE.0.get() };
    for (vector, entry) in stubs() {
        let (stack, ring) = match vector {
            1 => (DEBUG_STACK, 0),
            2 => (NMI_STACK, 0),
            8 => (DOUBLE_FAULT_STACK, 0),
            18 => (MACHINE_CHECK_STACK, 0),
            // User mode may raise breakpoint and overflow by instruction.
            3 | 4 => (0, 3),
            _ => (0, 0),
        };
        let attributes = 0x8e00 | ring << 13 | u64::from(stack);
        let entry = entry as u64;
        table[usize::from(vector)] = [
            entry & 0xffff
                | u64::from(KERNEL_CODE) << 16
                | attributes << 32
                | (entry >> 16 & 0xffff) << 48,
            entry >> 32,
        ];
    }
}
