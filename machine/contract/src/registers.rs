//! A program's registers as a debugger sees them.
//!
//! The words are those of Linux's `user_regs_struct` on x86-64, in its order, on every machine: a
//! machine with other registers shows what it has in the places that mean the same.

/// How many words there are.
pub const REGISTER_WORDS: usize = 27;
/// How many words [`CpuRegisters`] are.
pub const CPU_REGISTER_WORDS: usize = REGISTER_WORDS + 5;
/// How many addresses can be watched at once.
pub const WATCHES: usize = 4;

/// The general registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserRegisters(pub [u64; REGISTER_WORDS]);

impl UserRegisters {
    /// The place of the word that a system call's result goes to (RAX).
    pub const RESULT: usize = 10;
    /// The place of the number of the system call that the program is in, -1 if it is in none (ORIG_RAX).
    pub const SYSTEM_CALL: usize = 15;
    /// The place of the instruction pointer.
    pub const INSTRUCTION_POINTER: usize = 16;
    /// The place of the flags.
    pub const FLAGS: usize = 18;
    /// The place of the stack pointer.
    pub const STACK_POINTER: usize = 19;
    /// The places of a system call's arguments.
    pub const ARGUMENTS: [usize; 6] = [14, 13, 12, 7, 9, 8];
    /// The place of the code segment's selector.
    pub const CODE_SEGMENT: usize = 17;
    /// The place of the stack segment's selector.
    pub const STACK_SEGMENT: usize = 20;
    /// The place of the thread pointer (FS's base).
    pub const THREAD_POINTER: usize = 21;
    /// The place of GS's base.
    pub const GS_BASE: usize = 22;

    /// The number of the system call that the program is in.
    pub fn system_call(&self) -> Option<usize> {
        // A negative number says that there is none, and is what a debugger writes to forget one.
        let number = self.0[Self::SYSTEM_CALL] as i64;
        usize::try_from(number).ok()
    }

    /// What the system call returns.
    pub fn result(&self) -> isize {
        self.0[Self::RESULT] as isize
    }
}

/// What a CPU's registers held when it was interrupted, or when it failed: for reports. Numbers only, whatever they mean by now.
///
/// The words of [`UserRegisters`], and behind them those that programs do not see. A machine leaves 0 where it has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuRegisters(pub [u64; CPU_REGISTER_WORDS]);

impl CpuRegisters {
    /// The place of the frame pointer.
    pub const FRAME_POINTER: usize = 4;
    /// The place of the selector of the data segment; behind it those of ES, FS and GS.
    pub const DATA_SEGMENT: usize = 23;
    /// The place of the base that GS has on the other side of `swapgs`.
    pub const OTHER_GS_BASE: usize = REGISTER_WORDS;
    /// The place of CR0; behind it those of CR2, CR3 and CR4.
    pub const CONTROL: usize = REGISTER_WORDS + 1;

    /// The instruction that was next, 0 if it is not known.
    pub fn instruction(&self) -> usize {
        self.0[UserRegisters::INSTRUCTION_POINTER] as usize
    }

    /// The frame pointer, 0 if it is not known.
    pub fn frame_pointer(&self) -> usize {
        self.0[Self::FRAME_POINTER] as usize
    }

    /// A program ran, not the kernel.
    pub fn in_user(&self) -> bool {
        self.0[UserRegisters::CODE_SEGMENT] & 3 == 3
    }
}

/// Which addresses are watched, and how: the debug registers DR0 to DR3, DR6 and DR7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugRegisters {
    /// The addresses, all of them user addresses.
    pub addresses: [usize; WATCHES],
    /// What the last debug exception was for: a bit for each address, and [`Self::STEP`].
    pub status: u64,
    /// Two enabling bits for each address, and from bit 16 on four that say what is watched for.
    pub control: u64,
}

impl DebugRegisters {
    /// In `status`: a single step was made.
    pub const STEP: u64 = 1 << 14;
    /// In `status`: the bits of the addresses.
    pub const HITS: u64 = 0xf;
    /// In `control`: the bits that enable an address.
    pub const ENABLE: u64 = 0xff;
}
