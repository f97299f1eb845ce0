//! What a tracee is stopped for, in detail.

use errno::{Errno, Result};
use machine::UserRegisters;
use process::SigInfo;
use process::ptrace::{self, SyscallPhase};
use process::signal::info::INFO_SIZE;
use sched::TaskRef;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::user_info;
use crate::user::UserPtr;

/// `siginfo_t` from user memory.
pub(super) fn read(from: UserPtr<u8>) -> Result<SigInfo> {
    let mut bytes = [0; INFO_SIZE];
    from.read_bytes(&mut bytes)?;
    user_info(&bytes)
}

/// `struct ptrace_peeksiginfo_args`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct PeekArguments {
    offset: u64,
    flags: u32,
    count: i32,
}

/// The signals of the process, not of the thread.
const PEEKSIGINFO_SHARED: u32 = 1;

/// `PTRACE_PEEKSIGINFO`: copies what waits and returns how many these are.
pub(super) fn peek(
    task: &TaskRef,
    arguments: UserPtr<PeekArguments>,
    to: UserPtr<u8>,
) -> Result<usize> {
    ptrace::event_message(task)?;
    let PeekArguments { offset, flags, count } = arguments.read()?;
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    if flags & !PEEKSIGINFO_SHARED != 0 {
        return Err(Errno::EINVAL);
    }
    let Ok(offset) = usize::try_from(offset) else { return Ok(0) };
    let found = ptrace::peek_signals(task, flags & PEEKSIGINFO_SHARED != 0, offset, count)?;
    for (index, info) in found.iter().enumerate() {
        to.at(index * INFO_SIZE)?.write_bytes(&info.to_bytes())?;
    }
    Ok(found.len())
}

/// `AUDIT_ARCH_X86_64`.
const ARCHITECTURE: u32 = 0xc000_003e;

/// The words of `struct ptrace_syscall_info` after its head.
const WORDS: usize = 7;
const HEAD_SIZE: usize = 24;
/// `sizeof(struct ptrace_syscall_info)`, and how much of it each kind of stop fills.
const INFO_BYTES: usize = 88;
const ENTRY_SIZE: usize = HEAD_SIZE + WORDS * size_of::<u64>();
const EXIT_SIZE: usize = HEAD_SIZE + size_of::<u64>() + 1;

/// The highest error number.
const MAX_ERRNO: isize = 4095;

/// `PTRACE_GET_SYSCALL_INFO`: copies up to `size` bytes and returns how many there are.
pub(super) fn system_call(task: &TaskRef, size: usize, to: UserPtr<u8>) -> Result<usize> {
    let phase = ptrace::syscall_phase(task)?;
    let registers = ptrace::with_snapshot(task, |snapshot| Ok(*snapshot.registers()))?;
    let mut bytes = [0; INFO_BYTES];
    bytes[4..8].copy_from_slice(&ARCHITECTURE.to_ne_bytes());
    let mut place = 8;
    let mut put = |word: u64| {
        bytes[place..place + 8].copy_from_slice(&word.to_ne_bytes());
        place += 8;
    };
    put(registers.0[UserRegisters::INSTRUCTION_POINTER]);
    put(registers.0[UserRegisters::STACK_POINTER]);
    let (operation, length) = match phase {
        SyscallPhase::None => (0, HEAD_SIZE),
        SyscallPhase::Entry => {
            put(registers.0[UserRegisters::SYSTEM_CALL]);
            UserRegisters::ARGUMENTS.iter().for_each(|&place| put(registers.0[place]));
            (1, ENTRY_SIZE)
        }
        SyscallPhase::Exit => {
            let result = registers.result();
            put(result as u64);
            put((-MAX_ERRNO..0).contains(&result).into());
            (2, EXIT_SIZE)
        }
    };
    bytes[0] = operation;
    to.write_bytes(&bytes[..length.min(size)])?;
    Ok(length)
}
