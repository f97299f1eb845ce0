//! What crosses the contract when a signal handler is entered and left.

/// All that the machine needs to put a signal handler's frame on a user stack.
#[derive(Clone, Copy, Debug)]
pub struct SignalFrame<'a> {
    /// The signal's number, the handler's first argument.
    pub signal: u32,
    /// The address of the handler.
    pub handler: usize,
    /// The address that the handler returns to (`sa_restorer`).
    pub restorer: usize,
    /// `siginfo_t` as user mode sees it.
    pub info: &'a [u8; 128],
    /// The signal mask to restore when the handler returns.
    pub saved_mask: u64,
    /// Put the frame below this address rather than below the stack pointer (the alternate stack).
    pub stack_top: Option<usize>,
    /// The alternate stack as `uc_stack` shows it: address, flags, size.
    pub alternate_stack: (usize, u32, usize),
}

/// What `sigreturn` found in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoredSignal {
    /// The mask that was in force before the handler ran.
    pub mask: u64,
    /// `uc_stack`: address, flags, size.
    pub alternate_stack: (usize, u32, usize),
}
