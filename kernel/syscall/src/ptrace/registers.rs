//! Sets of registers: all of them at once, or as much as the caller has room for.

use alloc::vec::Vec;

use errno::{Errno, Result};
use machine::{REGISTER_WORDS, UserRegisters};
use process::ptrace::{self, Snapshot};
use sched::TaskRef;

use super::{WORD, user_area};
use crate::abi::file::IoVec;
use crate::user::UserPtr;

/// `NT_PRSTATUS`: the general registers.
pub(super) const GENERAL: usize = 1;
/// `NT_PRFPREG`: the floating-point registers as FXSAVE stores them.
pub(super) const FLOATING_POINT: usize = 2;
/// `NT_X86_XSTATE`: all that the machine has besides.
const EXTENDED: usize = 0x202;

/// Bytes of the floating-point registers, where MXCSR is in them, and which of its bits there are.
const LEGACY_SIZE: usize = 512;
const MXCSR: usize = 24;
const MXCSR_MASK: u32 = 0xffff;
/// Where the extended state says what is in it, and the bits of the floating-point registers.
const PRESENT: usize = 512;
const LEGACY_PRESENT: u8 = 3;

/// The size of a set.
fn size(set: usize) -> Result<usize> {
    match set {
        GENERAL => Ok(REGISTER_WORDS * WORD),
        FLOATING_POINT => Ok(machine::user::extended_state_size().min(LEGACY_SIZE)),
        EXTENDED => Ok(machine::user::extended_state_size()),
        _ => Err(Errno::EINVAL),
    }
}

/// A buffer for a set.
fn buffer(set: usize) -> Result<Vec<u8>> {
    let size = size(set)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(size, 0);
    Ok(bytes)
}

fn take(task: &TaskRef, set: usize) -> Result<Vec<u8>> {
    let mut bytes = buffer(set)?;
    ptrace::with_snapshot(task, |snapshot| {
        if set == GENERAL {
            let words = snapshot.registers().0;
            for (place, word) in bytes.chunks_exact_mut(WORD).zip(words) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
            return Ok(());
        }
        let state = snapshot.extended().get(..bytes.len()).ok_or(Errno::EIO)?;
        bytes.copy_from_slice(state);
        Ok(())
    })?;
    Ok(bytes)
}

fn put(task: &TaskRef, set: usize, bytes: &[u8]) -> Result<()> {
    match set {
        GENERAL => put_general(task, bytes),
        FLOATING_POINT => put_floating_point(task, bytes),
        // Only the whole of it makes sense.
        _ if bytes.len() != size(set)? => Err(Errno::EFAULT),
        _ => ptrace::with_snapshot(task, |snapshot| {
            check_control(bytes)?;
            copy_extended(snapshot, bytes)
        }),
    }
}

/// The first of the general registers, as many as there are bytes for.
fn put_general(task: &TaskRef, bytes: &[u8]) -> Result<()> {
    ptrace::with_snapshot(task, |snapshot| {
        let mut registers = *snapshot.registers();
        for (place, bytes) in bytes.as_chunks::<WORD>().0.iter().enumerate() {
            user_area::set_register(&mut registers, place, u64::from_ne_bytes(*bytes))?;
        }
        *snapshot.registers_mut() = registers;
        Ok(())
    })
}

fn put_floating_point(task: &TaskRef, bytes: &[u8]) -> Result<()> {
    if bytes.len() != size(FLOATING_POINT)? {
        return Err(Errno::EINVAL);
    }
    check_control(bytes)?;
    ptrace::with_snapshot(task, |snapshot| {
        copy_extended(snapshot, bytes)?;
        if let Some(present) = snapshot.extended_mut().get_mut(PRESENT) {
            *present |= LEGACY_PRESENT;
        }
        Ok(())
    })
}

/// # Errors
/// EINVAL: bits of MXCSR that no processor has.
fn check_control(bytes: &[u8]) -> Result<()> {
    let control = bytes.get(MXCSR..MXCSR + 4).and_then(|word| word.try_into().ok());
    let control = control.map_or(0, u32::from_ne_bytes);
    if control & !MXCSR_MASK == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn copy_extended(snapshot: &mut Snapshot, bytes: &[u8]) -> Result<()> {
    let state = snapshot.extended_mut().get_mut(..bytes.len()).ok_or(Errno::EIO)?;
    state.copy_from_slice(bytes);
    Ok(())
}

/// `PTRACE_GETREGS` and its kin.
pub(super) fn get_all(task: &TaskRef, set: usize, to: usize) -> Result<()> {
    let bytes = take(task, set)?;
    UserPtr::<u8>::new(to).write_bytes(&bytes).map_err(|_| Errno::EIO)
}

/// `PTRACE_SETREGS` and its kin.
pub(super) fn set_all(task: &TaskRef, set: usize, from: usize) -> Result<()> {
    ptrace::event_message(task)?;
    let mut bytes = buffer(set)?;
    UserPtr::<u8>::new(from).read_bytes(&mut bytes).map_err(|_| Errno::EIO)?;
    put(task, set, &bytes)
}

/// The caller's buffer: where it is, and how much of the set fits.
fn part(task: &TaskRef, set: usize, segment: UserPtr<IoVec>) -> Result<(UserPtr<u8>, usize)> {
    ptrace::event_message(task)?;
    let given = segment.read()?;
    let length = given.length;
    if !length.is_multiple_of(WORD) {
        return Err(Errno::EINVAL);
    }
    Ok((UserPtr::new(given.base), length.min(size(set)?)))
}

/// Tells the caller how much it was.
fn tell_length(segment: UserPtr<IoVec>, length: usize) -> Result<()> {
    let place = segment.address().checked_add(WORD).ok_or(Errno::EFAULT)?;
    UserPtr::new(place).write(&(length as u64))
}

/// `PTRACE_GETREGSET`.
pub(super) fn get_part(task: &TaskRef, set: usize, segment: UserPtr<IoVec>) -> Result<()> {
    let (to, length) = part(task, set, segment)?;
    to.write_bytes(&take(task, set)?[..length])?;
    tell_length(segment, length)
}

/// `PTRACE_SETREGSET`.
pub(super) fn set_part(task: &TaskRef, set: usize, segment: UserPtr<IoVec>) -> Result<()> {
    let (from, length) = part(task, set, segment)?;
    let mut bytes = buffer(set)?;
    bytes.truncate(length);
    from.read_bytes(&mut bytes)?;
    put(task, set, &bytes)?;
    tell_length(segment, length)
}

/// The general registers, for those who look at one.
pub(super) fn general(task: &TaskRef) -> Result<UserRegisters> {
    ptrace::with_snapshot(task, |snapshot| Ok(*snapshot.registers()))
}
