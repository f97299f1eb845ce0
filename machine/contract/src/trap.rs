//! Why a user context stopped running.

use crate::fault::Access;

/// Why `UserContext::run` came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// The user program made a system call; number and arguments are in the context.
    SystemCall,
    /// An interrupt was taken, and its handler has already run.
    Interrupt,
    /// An access to memory was refused.
    PageFault {
        /// The address that was accessed.
        address: usize,
        /// How it was accessed.
        access: Access,
        /// A page was mapped there, but not for this access.
        present: bool,
    },
    /// Integer division by zero or overflow.
    DivideError,
    /// A debug exception: single step or a hardware breakpoint.
    Debug,
    /// A breakpoint instruction.
    Breakpoint,
    /// The overflow-check instruction found an overflow.
    Overflow,
    /// A bounds-check instruction failed.
    BoundRange,
    /// Not an instruction.
    InvalidInstruction,
    /// A privileged instruction, a non-canonical address, and the like.
    GeneralProtection,
    /// A bad stack segment or a non-canonical stack address.
    StackSegment,
    /// An access that was not aligned while alignment checks were on.
    AlignmentCheck,
    /// A floating-point exception.
    FloatingPoint,
}
