//! User programs for scenarios.
//!
//! A program is a list of steps at a user address of its own; the instruction pointer says which
//! step is next. So `fork`, signal handlers (another program) and restarted system calls work as
//! with real ones.

use contract::Trap;

use crate::machine::here;

/// Where programs lie.
const BASE: usize = 0x40_0000;
/// The room for each of them.
const SPAN: usize = 0x1_0000;
/// What a step advances the instruction pointer by.
pub(super) const STEP: usize = 4;

/// A program.
pub(crate) type Script = &'static [Step];

/// What a user program can do.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Compute for so many nanoseconds.
    Compute(u64),
    /// Load a byte.
    Load(usize),
    /// Store a byte.
    Store(usize, u8),
    /// Load a byte, and fail the run if it is another.
    ExpectByte(usize, u8),
    /// Make a system call with a number and arguments.
    SystemCall(usize, [usize; 6]),
    /// Fail the run if the last system call returned something else.
    Expect(isize),
    /// Go on at a step of this program.
    Jump(usize),
    /// Go on at a step of this program if the last system call returned 0 (a child after `fork`).
    JumpIfZero(usize),
    /// Do something that traps.
    Trap(Trap),
}

/// Puts a program into the machine; returns its entry address.
///
/// # Panics
/// If it is too long.
pub(crate) fn add(script: Script) -> usize {
    assert!(script.len() < SPAN / STEP, "a program of {} steps", script.len());
    let mut scripts = here().scripts.borrow_mut();
    scripts.push(script);
    BASE + (scripts.len() - 1) * SPAN
}

/// The step at an address.
pub(super) fn at(address: usize) -> Option<Step> {
    let offset = address.checked_sub(BASE)?;
    let script = here().scripts.borrow().get(offset / SPAN).copied()?;
    script.get(offset % SPAN / STEP).copied()
}

/// The address of another step of the program that `address` lies in.
pub(super) fn jump(address: usize, step: usize) -> usize {
    address - (address - BASE) % SPAN + step * STEP
}
