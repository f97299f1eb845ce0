//! What a machine calls in the kernel.

use crate::fault::Access;
use crate::frame::{Frame, NodeId};
use crate::registers::CpuRegisters;

/// Interrupts that one CPU sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipi {
    /// Look at the run queue again.
    Reschedule,
    /// Look at the queue of functions to call.
    CallFunction,
}

/// What went wrong in kernel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OopsKind {
    /// Rust code panicked.
    Panic,
    /// A kernel access to memory faulted.
    PageFault {
        /// The address.
        address: usize,
        /// The access.
        access: Access,
    },
    /// A kernel stack ran into its guard page.
    StackOverflow {
        /// The address in the guard page.
        address: usize,
    },
    /// Another exception, by its vector.
    Exception {
        /// The vector.
        vector: u8,
        /// The error code, 0 where the vector has none.
        code: u64,
    },
}

/// An error in kernel mode, as it is handed to [`Upcalls::oops`].
#[derive(Clone, Copy)]
pub struct Oops<'a> {
    /// What happened.
    pub kind: OopsKind,
    /// The panic's message and place, or empty.
    pub message: &'a dyn core::fmt::Display,
    /// Interrupts were on. If they were off, a lock may be held that nobody will release.
    pub interrupts_on: bool,
    /// What the registers held, if an instruction failed. A panic has a message, and none.
    pub registers: Option<&'a CpuRegisters>,
    /// Where the backtrace starts (a frame pointer), 0 if it is not known.
    pub frame_pointer: usize,
}

/// The kernel's entry points, given to the machine once, before the first interrupt.
///
/// All but `user_fault`, `allocate_frame`, `free_frame`, `free_zeroed_frame`, `oops` and `nmi` are called in hard-interrupt
/// context: interrupts off, the interrupt level counted in the preemption count.
#[derive(Clone, Copy)]
pub struct Upcalls {
    /// This CPU's timer has expired. It stays silent until it is set again.
    pub timer: fn(),
    /// [`Ipi::Reschedule`] came in.
    pub reschedule: fn(),
    /// [`Ipi::CallFunction`] came in.
    pub call_function: fn(),
    /// The console has input to read.
    pub console_input: fn(),
    /// The outermost handler has ended, and the interrupt level is no longer counted. Interrupts are
    /// off. The place for softirqs and for preemption; it may switch tasks.
    pub interrupt_exit: fn(),
    /// The kernel touched a user address in one of `user`'s copies and found no page. Runs in the
    /// context of the task, may sleep. True: the page is there now, try again.
    pub user_fault: fn(address: usize, access: Access) -> bool,
    /// Gives a zeroed frame, near the node if one is asked for. Any context.
    pub allocate_frame: fn(node: Option<NodeId>) -> Option<Frame>,
    /// Takes a frame back. Any context.
    pub free_frame: fn(Frame),
    /// Takes a frame back that nobody else has a reference to and that holds zeros, as when it was given: a page table that
    /// has been emptied. Any context.
    pub free_zeroed_frame: fn(Frame),
    /// Kernel code panicked or faulted on this CPU. Interrupts are off.
    pub oops: fn(&Oops<'_>) -> !,
    /// Another CPU asked by `irq::send_nmi` what this one does. Whatever ran here was interrupted, also where interrupts are
    /// off and any lock may be held: takes no lock and does not sleep. The registers are those of what was interrupted. The NMI
    /// level is counted in the preemption count.
    pub nmi: fn(&CpuRegisters),
}
