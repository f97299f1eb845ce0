//! User mode: the registers of a program, running it until it traps, signal frames, user memory.
//!
//! A [`UserContext`] is the program's registers. [`run`](UserContext::run) goes to user mode with them
//! and comes back when the program traps, like a function call that the program returns from; the
//! way in and out is in `enter`. What the kernel itself does not use (floating point, segment bases)
//! is in `state` and stays in the processor for as long as nobody else needs it.

pub(crate) mod copy;
mod debug;
pub(crate) mod enter;
mod signal;
pub(crate) mod state;

pub use crate::layout::USER_END;
pub use copy::{
    clear, compare_exchange_u32, copy_from, copy_from_frame, copy_string_from, copy_to,
    copy_to_frame, load_u32,
};
pub use debug::extended_state_size;
pub(crate) use enter::{start, start_cpu};

use crate::descriptor::{USER_CODE, USER_DATA};
use crate::interrupt::vector;
use crate::registers::{RFLAGS_FIXED, RFLAGS_IF, cli, cr2, sti};
use crate::{exception, interrupt};
use contract::{OutOfFrames, Trap};
use state::State;

/// The first address that is not canonical; returning to it would fault in kernel mode.
const CANONICAL_END: u64 = 1 << 47;
/// The length of the `syscall` instruction.
const SYSCALL_LENGTH: u64 = 2;

/// The program's registers, in the order in which the way in saves them. The processor itself stores
/// the last five at an interrupt, so the end must be on a multiple of 16.
#[derive(Clone, Default)]
#[repr(C, align(16))]
pub(crate) struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// What brought the program into the kernel: an interrupt's vector, or [`vector::SYSTEM_CALL`].
    pub vector: u64,
    /// The exception's error code, or the system call's number.
    pub code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const _: () = assert!(size_of::<Registers>().is_multiple_of(16));

impl Registers {
    fn new(entry: usize, stack_pointer: usize) -> Self {
        Self {
            rip: entry as u64,
            cs: USER_CODE.into(),
            rflags: RFLAGS_FIXED | RFLAGS_IF,
            rsp: stack_pointer as u64,
            ss: USER_DATA.into(),
            ..Self::default()
        }
    }
}

/// A user program's registers, all of them. The selectors in it are always those of user mode, and its
/// flags never allow more than user mode may have.
pub struct UserContext {
    registers: Registers,
    state: State,
    /// The address of the last page fault.
    fault_address: u64,
    /// The single-step flag is set on a debugger's behalf, and is nothing that the program has to see.
    stepping: bool,
    /// What the last debug exception was for (DR6).
    debug_status: u64,
}

impl UserContext {
    /// The registers of a program about to start.
    pub fn new(entry: usize, stack_pointer: usize) -> Result<Self, OutOfFrames> {
        let registers = Registers::new(entry, stack_pointer);
        Ok(Self {
            registers,
            state: State::new()?,
            fault_address: 0,
            stepping: false,
            debug_status: 0,
        })
    }

    /// A copy, taken by the task that owns it, while it is current.
    pub fn fork(&self) -> Result<Self, OutOfFrames> {
        let mut copy = Self {
            registers: self.registers.clone(),
            state: self.state.duplicate()?,
            fault_address: self.fault_address,
            stepping: self.stepping,
            debug_status: 0,
        };
        copy.set_single_step(false);
        Ok(copy)
    }

    /// All registers cleared, then the given entry and stack pointer.
    pub fn reset(&mut self, entry: usize, stack_pointer: usize) {
        self.registers = Registers::new(entry, stack_pointer);
        self.state.reset();
        self.fault_address = 0;
        self.debug_status = 0;
        self.stepping = false;
    }

    /// Enters user mode and comes back at the next trap, with interrupts on. May be called with
    /// interrupts off: then nothing comes between the caller's last look and user mode.
    pub fn run(&mut self) -> Trap {
        cli();
        if self.registers.rip >= CANONICAL_END {
            sti();
            return Trap::GeneralProtection;
        }
        self.state.load();
        // SAFETY: interrupts are off; selectors, flags and the instruction pointer are fit for user
        // mode, which the fields' privacy keeps.
        unsafe { enter::enter(&mut self.registers) };
        let trap = match self.registers.vector {
            vector::SYSTEM_CALL => Trap::SystemCall,
            number @ 0..32 => self.exception(number),
            number => {
                interrupt::handle(number);
                Trap::Interrupt
            }
        };
        sti();
        trap
    }

    /// What an exception means. Interrupts are still off.
    fn exception(&mut self, number: u64) -> Trap {
        match number {
            exception::PAGE_FAULT => {
                self.fault_address = cr2();
                let (access, present) = exception::page_fault_code(self.registers.code);
                Trap::PageFault { address: self.fault_address as usize, access, present }
            }
            0 => Trap::DivideError,
            1 => {
                self.note_debug_exception();
                Trap::Debug
            }
            3 => Trap::Breakpoint,
            4 => Trap::Overflow,
            5 => Trap::BoundRange,
            6 => Trap::InvalidInstruction,
            12 => Trap::StackSegment,
            16 | 19 => Trap::FloatingPoint,
            17 => Trap::AlignmentCheck,
            // Segment errors are what a general protection fault is to the program.
            _ => Trap::GeneralProtection,
        }
    }

    /// The number of the system call that trapped.
    pub fn system_call(&self) -> usize {
        self.registers.code as usize
    }

    /// An argument of the system call that trapped, counted from 0 to 5; others are 0.
    pub fn argument(&self, index: usize) -> usize {
        let registers = &self.registers;
        let value = match index {
            0 => registers.rdi,
            1 => registers.rsi,
            2 => registers.rdx,
            3 => registers.r10,
            4 => registers.r8,
            5 => registers.r9,
            _ => 0,
        };
        value as usize
    }

    /// Sets what the system call returns.
    pub fn set_result(&mut self, result: isize) {
        self.registers.rax = result as u64;
    }

    /// What the system call returns.
    pub fn result(&self) -> isize {
        self.registers.rax as isize
    }

    /// The next `run` makes the same call again.
    pub fn restart_system_call(&mut self) {
        self.registers.rax = self.registers.code;
        self.registers.rip = self.registers.rip.wrapping_sub(SYSCALL_LENGTH);
    }

    /// Where the program is.
    pub fn instruction_pointer(&self) -> usize {
        self.registers.rip as usize
    }

    /// The stack pointer.
    pub fn stack_pointer(&self) -> usize {
        self.registers.rsp as usize
    }

    /// Sets the stack pointer.
    pub fn set_stack_pointer(&mut self, value: usize) {
        self.registers.rsp = value as u64;
    }

    /// The base of FS, where thread-local data is. By the owning task, or while it does not run.
    pub fn thread_pointer(&self) -> usize {
        self.state.fs_base() as usize
    }

    /// Sets the base of FS. An address that is not a user address is taken as 0.
    pub fn set_thread_pointer(&mut self, value: usize) {
        let value = if value < USER_END { value as u64 } else { 0 };
        self.state.set_fs_base(value);
    }
}
