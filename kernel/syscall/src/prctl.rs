//! `prctl`, `arch_prctl`, `personality`.

use errno::{Errno, Result};
use machine::user::USER_END;
use process::{Signal, Thread};

use crate::call::Call;
use crate::current;
use crate::user::UserPtr;

const PR_SET_PDEATHSIG: u32 = 1;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
const PR_CAPBSET_READ: u32 = 23;
const PR_CAPBSET_DROP: u32 = 24;
const PR_GET_TIMERSLACK: u32 = 30;
const PR_SET_CHILD_SUBREAPER: u32 = 36;
const PR_GET_CHILD_SUBREAPER: u32 = 37;
const PR_GET_KEEPCAPS: u32 = 7;
const PR_SET_KEEPCAPS: u32 = 8;
const PR_GET_SECUREBITS: u32 = 27;
const PR_GET_SECCOMP: u32 = 21;
const PR_SET_NO_NEW_PRIVS: u32 = 38;
const PR_GET_NO_NEW_PRIVS: u32 = 39;
const PR_SET_THP_DISABLE: u32 = 41;
const PR_GET_THP_DISABLE: u32 = 42;
const PR_CAP_AMBIENT: u32 = 47;

/// The length of `comm` as user mode sees it, its final NUL included.
const COMM_SIZE: usize = sched::COMM_LENGTH + 1;
/// How much later than asked timers may fire, in nanoseconds. Ours are exact; this is what Linux
/// says by default.
const TIMER_SLACK: usize = 50_000;

/// `prctl`, as far as it goes.
pub(crate) fn prctl(
    _call: &mut Call<'_>,
    option: u32,
    second: usize,
    third: usize,
    fourth: usize,
    fifth: usize,
) -> Result<usize> {
    let process = current::process();
    match option {
        PR_SET_PDEATHSIG => {
            let signal = u32::try_from(second).map_err(|_| Errno::EINVAL)?;
            if signal != 0 && Signal::from_number(signal).is_none() {
                return Err(Errno::EINVAL);
            }
            process.set_parent_death_signal(Signal::from_number(signal));
        }
        PR_GET_PDEATHSIG => {
            let signal = process.parent_death_signal().map_or(0, Signal::number);
            UserPtr::<i32>::new(second).write(&(signal as i32))?;
        }
        // Nothing is ever dumped, and so everything may be.
        PR_GET_DUMPABLE => return Ok(1),
        PR_SET_DUMPABLE if second <= 1 => {}
        PR_SET_NAME => {
            let mut name = [0; COMM_SIZE];
            let length =
                machine::user::copy_string_from(second, &mut name).map_err(|_| Errno::EFAULT)?;
            let me = sched::current();
            process::set_comm(&me, &name[..length]);
            process::events::renamed(&me);
        }
        PR_GET_NAME => {
            let comm = sched::current().comm();
            let mut name = [0; COMM_SIZE];
            name[..comm.as_bytes().len()].copy_from_slice(comm.as_bytes());
            UserPtr::<u8>::new(second).write_bytes(&name)?;
        }
        PR_CAPBSET_READ => {
            let capability = capability_of(second)?;
            return Ok(usize::from(current::credentials().bounding.contains(capability)));
        }
        PR_CAPBSET_DROP => {
            let capability = capability_of(second)?;
            let old = current::credentials();
            old.require(fs::Capabilities::SETPCAP)?;
            let mut new = (*old).clone();
            new.bounding.remove(capability);
            process::set_credentials(alloc::sync::Arc::new(new));
        }
        PR_GET_TIMERSLACK => return Ok(TIMER_SLACK),
        PR_SET_CHILD_SUBREAPER => process.set_subreaper(second != 0),
        PR_GET_CHILD_SUBREAPER => {
            UserPtr::<i32>::new(second).write(&i32::from(process.is_subreaper()))?;
        }
        PR_GET_NO_NEW_PRIVS if [second, third, fourth, fifth] == [0; 4] => {
            return Ok(usize::from(current::credentials().no_new_privileges));
        }
        PR_SET_NO_NEW_PRIVS if [second, third, fourth, fifth] == [1, 0, 0, 0] => {
            let mut new = (*current::credentials()).clone();
            new.no_new_privileges = true;
            process::set_credentials(alloc::sync::Arc::new(new));
        }
        PR_GET_KEEPCAPS => return Ok(usize::from(current::credentials().keep_capabilities)),
        PR_SET_KEEPCAPS if second <= 1 => {
            let mut new = (*current::credentials()).clone();
            new.keep_capabilities = second != 0;
            process::set_credentials(alloc::sync::Arc::new(new));
        }
        PR_CAP_AMBIENT if [fourth, fifth] == [0; 2] => return ambient(second, third),
        // There is none of these, and so none is set.
        PR_GET_SECCOMP | PR_GET_SECUREBITS => {}
        PR_SET_THP_DISABLE if [third, fourth, fifth] == [0; 3] => {
            current::mm()?.refuse_large_pages(second != 0);
        }
        PR_GET_THP_DISABLE if [second, third, fourth, fifth] == [0; 4] => {
            return Ok(usize::from(current::mm()?.refuses_large_pages()));
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `PR_CAP_AMBIENT`: the privileges that outlive `execve`.
fn ambient(action: usize, capability: usize) -> Result<usize> {
    const IS_SET: usize = 1;
    const RAISE: usize = 2;
    const LOWER: usize = 3;
    const CLEAR_ALL: usize = 4;
    let old = current::credentials();
    let mut new = (*old).clone();
    match action {
        IS_SET => return Ok(usize::from(old.ambient.contains(capability_of(capability)?))),
        RAISE => {
            let capability = capability_of(capability)?;
            if !(old.permitted & old.inheritable).contains(capability) {
                return Err(Errno::EPERM);
            }
            new.ambient |= capability;
        }
        LOWER => new.ambient.remove(capability_of(capability)?),
        CLEAR_ALL if capability == 0 => new.ambient = fs::Capabilities::empty(),
        _ => return Err(Errno::EINVAL),
    }
    process::set_credentials(alloc::sync::Arc::new(new));
    Ok(0)
}

fn capability_of(number: usize) -> Result<fs::Capabilities> {
    let bit = u32::try_from(number).ok().and_then(|number| 1u64.checked_shl(number));
    let capability = fs::Capabilities::from_bits_retain(bit.ok_or(Errno::EINVAL)?);
    if fs::Capabilities::FULL.contains(capability) { Ok(capability) } else { Err(Errno::EINVAL) }
}

const ARCH_SET_FS: u32 = 0x1002;
const ARCH_GET_FS: u32 = 0x1003;

/// `arch_prctl`: the thread pointer (FS). The base of GS is not to be had: EINVAL.
pub(crate) fn arch_prctl(call: &mut Call<'_>, code: u32, address: usize) -> Result<usize> {
    match code {
        ARCH_SET_FS => {
            if address >= USER_END {
                return Err(Errno::EPERM);
            }
            call.context.set_thread_pointer(address);
        }
        ARCH_GET_FS => UserPtr::<usize>::new(address).write(&call.context.thread_pointer())?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `personality`: what it was. All ones only asks.
pub(crate) fn personality(persona: u32) -> Result<usize> {
    let me = sched::current();
    let thread = Thread::of(&me);
    Ok(if persona == u32::MAX { thread.personality() } else { thread.set_personality(persona) }
        as usize)
}
