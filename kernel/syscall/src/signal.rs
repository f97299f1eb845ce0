//! Signals: what is done about them, blocking them, waiting for them.

use errno::{Errno, Result};
use process::signal::{self, Action, ActionFlags, AlternateStack, Handler, How};
use process::{SigInfo, SigSet, Signal};

use crate::abi::signal::{SigAction, SigStack};
use crate::abi::time::Timespec;
use crate::call::Call;
use crate::poll;
use crate::user::UserPtr;

/// The size of a set of signals.
const SET_SIZE: usize = size_of::<u64>();

fn require_set_size(size: usize) -> Result<()> {
    if size == SET_SIZE { Ok(()) } else { Err(Errno::EINVAL) }
}

fn read_set(set: UserPtr<u64>, size: usize) -> Result<SigSet> {
    require_set_size(size)?;
    Ok(SigSet::from_bits(set.read()?))
}

/// A mask that is in force while a system call waits.
pub(crate) struct TemporaryMask(());

impl TemporaryMask {
    /// Sets the user's mask, if there is one.
    ///
    /// # Errors
    /// EINVAL: of another size. EFAULT.
    pub(crate) fn set_from(mask: UserPtr<u64>, size: usize) -> Result<Option<Self>> {
        if mask.is_null() {
            return Ok(None);
        }
        let set = read_set(mask, size)?;
        signal::set_temporary_mask(set);
        Ok(Some(Self(())))
    }

    /// Ends it: now, or if a signal has ended the wait, when that has been dealt with, so that a
    /// handler still runs for a signal that only the temporary mask lets through.
    pub(crate) fn finish(mask: Option<Self>, outcome: Result<usize>) -> Result<usize> {
        let interrupted = matches!(outcome, Err(Errno::EINTR | Errno::ERESTARTNOHAND));
        if mask.is_some() && !interrupted {
            signal::restore_saved_mask();
        }
        outcome
    }
}

/// `rt_sigaction`.
pub(crate) fn sigaction(
    number: u32,
    new: UserPtr<SigAction>,
    old: UserPtr<SigAction>,
    size: usize,
) -> Result<usize> {
    require_set_size(size)?;
    let signal = Signal::from_number(number).ok_or(Errno::EINVAL)?;
    let new = match new.non_null() {
        None => None,
        Some(new) => {
            let given = new.read()?;
            Some(Action {
                handler: Handler::from_address(given.handler),
                flags: ActionFlags::from_bits_truncate(given.flags),
                restorer: given.restorer,
                mask: SigSet::from_bits(given.mask),
            })
        }
    };
    let before = signal::set_action(signal, new)?;
    old.write_unless_null(&SigAction {
        handler: before.handler.address(),
        flags: before.flags.bits(),
        restorer: before.restorer,
        mask: before.mask.bits(),
    })?;
    Ok(0)
}

/// `rt_sigprocmask`.
pub(crate) fn sigprocmask(
    how: u32,
    new: UserPtr<u64>,
    old: UserPtr<u64>,
    size: usize,
) -> Result<usize> {
    require_set_size(size)?;
    let before = match new.non_null() {
        None => signal::blocked(),
        Some(new) => {
            let set = SigSet::from_bits(new.read()?);
            signal::change_mask(How::from_number(how).ok_or(Errno::EINVAL)?, set)
        }
    };
    old.write_unless_null(&before.bits())?;
    Ok(0)
}

/// `rt_sigpending`.
pub(crate) fn sigpending(result: UserPtr<u8>, size: usize) -> Result<usize> {
    if size > SET_SIZE {
        return Err(Errno::EINVAL);
    }
    result.write_bytes(&signal::pending().bits().to_ne_bytes()[..size])?;
    Ok(0)
}

/// `rt_sigsuspend`.
pub(crate) fn sigsuspend(mask: UserPtr<u64>, size: usize) -> Result<usize> {
    signal::wait_for_signal(read_set(mask, size)?)?;
    Ok(0)
}

/// `pause`.
pub(crate) fn pause() -> Result<usize> {
    signal::wait_for_signal(signal::blocked())?;
    Ok(0)
}

/// `rt_sigtimedwait`.
pub(crate) fn sigtimedwait(
    set: UserPtr<u64>,
    info: UserPtr<u8>,
    timeout: UserPtr<Timespec>,
    size: usize,
) -> Result<usize> {
    let wanted = read_set(set, size)?;
    let deadline = poll::deadline(timeout)?;
    let taken = signal::sigtimedwait(wanted, deadline)?;
    if !info.is_null() {
        info.write_bytes(&taken.to_bytes())?;
    }
    Ok(taken.signal.number() as usize)
}

/// `rt_sigreturn`: back to what a handler interrupted. Its result is whatever that had in its
/// registers.
pub(crate) fn sigreturn(call: &mut Call<'_>) -> Result<usize> {
    let Ok(restored) = call.context.restore_signal() else {
        signal::force_signal(SigInfo::kernel(Signal::SIGSEGV));
        return Ok(0);
    };
    let (address, flags, size) = restored.alternate_stack;
    // The frame is user memory: what it says about the stack may be wrong, and is passed over then.
    let stack = AlternateStack::from_user(address, flags, size).ok();
    let mask = SigSet::from_bits(restored.mask);
    signal::handler_left(mask, stack, call.context.stack_pointer());
    Ok(call.context.result() as usize)
}

/// `sigaltstack`.
pub(crate) fn sigaltstack(
    call: &mut Call<'_>,
    new: UserPtr<SigStack>,
    old: UserPtr<SigStack>,
) -> Result<usize> {
    let stack_pointer = call.context.stack_pointer();
    let before = signal::alternate_stack();
    if let Some(new) = new.non_null() {
        let given = new.read()?;
        let stack = AlternateStack::from_user(given.base, given.flags, given.size)?;
        signal::set_alternate_stack(stack, stack_pointer)?;
    }
    old.write_unless_null(&SigStack {
        base: before.address,
        flags: before.user_flags(stack_pointer),
        pad: 0,
        size: before.size,
    })?;
    Ok(0)
}
