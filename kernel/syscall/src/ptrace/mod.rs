//! `ptrace`: what a tracer asks, by the number of its request.

mod info;
mod registers;
mod user_area;

use errno::{Errno, Result};
use process::ptrace::{self, Options, Resume};
use process::{SigInfo, SigSet, Signal};
use sched::TaskRef;
use vm::Force;

use crate::kill::positive;
use crate::user::UserPtr;

/// The size of a word of the tracee's memory or user area.
const WORD: usize = size_of::<u64>();

const TRACEME: u32 = 0;
const PEEKTEXT: u32 = 1;
const PEEKDATA: u32 = 2;
const PEEKUSER: u32 = 3;
const POKETEXT: u32 = 4;
const POKEDATA: u32 = 5;
const POKEUSER: u32 = 6;
const CONT: u32 = 7;
const KILL: u32 = 8;
const SINGLESTEP: u32 = 9;
const GETREGS: u32 = 12;
const SETREGS: u32 = 13;
const GETFPREGS: u32 = 14;
const SETFPREGS: u32 = 15;
const ATTACH: u32 = 16;
const DETACH: u32 = 17;
const OLDSETOPTIONS: u32 = 21;
const SYSCALL: u32 = 24;
const ARCH_PRCTL: u32 = 30;
const SYSEMU: u32 = 31;
const SYSEMU_SINGLESTEP: u32 = 32;
const SETOPTIONS: u32 = 0x4200;
const GETEVENTMSG: u32 = 0x4201;
const GETSIGINFO: u32 = 0x4202;
const SETSIGINFO: u32 = 0x4203;
const GETREGSET: u32 = 0x4204;
const SETREGSET: u32 = 0x4205;
const SEIZE: u32 = 0x4206;
const INTERRUPT: u32 = 0x4207;
const LISTEN: u32 = 0x4208;
const PEEKSIGINFO: u32 = 0x4209;
const GETSIGMASK: u32 = 0x420a;
const SETSIGMASK: u32 = 0x420b;
const GET_SYSCALL_INFO: u32 = 0x420e;

/// `ptrace`. A library's `PTRACE_PEEK*` returns the word; here, as for every program that calls by
/// itself, it goes to where `data` says.
pub(crate) fn ptrace(request: u32, pid: i32, address: usize, data: usize) -> Result<usize> {
    if request == TRACEME {
        ptrace::trace_me()?;
        return Ok(0);
    }
    let task = process::find_task(positive(pid).map_err(|_| Errno::ESRCH)?).ok_or(Errno::ESRCH)?;
    match request {
        ATTACH => ptrace::attach(&task)?,
        SEIZE if address != 0 => return Err(Errno::EIO),
        SEIZE => ptrace::seize(&task, options(data).map_err(|_| Errno::EIO)?)?,
        INTERRUPT => ptrace::interrupt(&task)?,
        KILL => ptrace::kill(&task)?,
        DETACH => ptrace::detach(&task, signal(data)?)?,
        LISTEN => ptrace::listen(&task)?,
        CONT => resume(&task, Resume::Continue, data)?,
        SYSCALL => resume(&task, Resume::ToCall, data)?,
        SINGLESTEP => resume(&task, Resume::Step, data)?,
        SYSEMU => resume(&task, Resume::ToEmulatedCall, data)?,
        SYSEMU_SINGLESTEP => resume(&task, Resume::StepEmulatingCalls, data)?,
        PEEKTEXT | PEEKDATA => UserPtr::new(data).write(&peek(&task, address)?)?,
        POKETEXT | POKEDATA => poke(&task, address, data)?,
        PEEKUSER => UserPtr::new(data).write(&user_area::read(&task, address)?)?,
        POKEUSER => user_area::write(&task, address, data as u64)?,
        SETOPTIONS | OLDSETOPTIONS => set_options(&task, data)?,
        GETEVENTMSG => UserPtr::new(data).write(&ptrace::event_message(&task)?)?,
        GETSIGINFO => {
            UserPtr::<u8>::new(data).write_bytes(&ptrace::signal_info(&task)?.to_bytes())?
        }
        SETSIGINFO => ptrace::change_signal_info(&task, info::read(UserPtr::new(data))?)?,
        GETSIGMASK => {
            require_set_size(&task, address)?;
            UserPtr::new(data).write(&ptrace::signal_mask(&task)?.bits())?;
        }
        SETSIGMASK => {
            require_set_size(&task, address)?;
            let mask = UserPtr::<u64>::new(data).read()?;
            ptrace::set_signal_mask(&task, SigSet::from_bits(mask))?;
        }
        PEEKSIGINFO => {
            return info::peek(&task, UserPtr::new(address), UserPtr::new(data));
        }
        GET_SYSCALL_INFO => return info::system_call(&task, address, UserPtr::new(data)),
        GETREGS => registers::get_all(&task, registers::GENERAL, data)?,
        SETREGS => registers::set_all(&task, registers::GENERAL, data)?,
        GETFPREGS => registers::get_all(&task, registers::FLOATING_POINT, data)?,
        SETFPREGS => registers::set_all(&task, registers::FLOATING_POINT, data)?,
        GETREGSET => registers::get_part(&task, address, UserPtr::new(data))?,
        SETREGSET => registers::set_part(&task, address, UserPtr::new(data))?,
        ARCH_PRCTL => user_area::arch_prctl(&task, data, address)?,
        _ => {
            // A tracee that is not there, or not stopped, comes first.
            ptrace::event_message(&task)?;
            return Err(Errno::EIO);
        }
    }
    Ok(0)
}

/// The signal that a request carries; 0 is none.
fn signal(data: usize) -> Result<Option<Signal>> {
    match u32::try_from(data) {
        Ok(0) => Ok(None),
        Ok(number) => Signal::from_number(number).map(Some).ok_or(Errno::EIO),
        Err(_) => Err(Errno::EIO),
    }
}

fn options(data: usize) -> Result<Options> {
    let bits = u32::try_from(data).map_err(|_| Errno::EINVAL)?;
    Options::from_bits(bits).ok_or(Errno::EINVAL)
}

fn set_options(task: &TaskRef, data: usize) -> Result<()> {
    // Looked at first: without a stopped tracee it is ESRCH.
    ptrace::event_message(task)?;
    ptrace::set_options(task, options(data)?)
}

fn resume(task: &TaskRef, how: Resume, data: usize) -> Result<()> {
    ptrace::event_message(task)?;
    ptrace::resume(task, how, signal(data)?)
}

fn require_set_size(task: &TaskRef, size: usize) -> Result<()> {
    ptrace::event_message(task)?;
    if size == WORD { Ok(()) } else { Err(Errno::EINVAL) }
}

/// A word of the tracee's memory, whatever its protection.
fn peek(task: &TaskRef, address: usize) -> Result<u64> {
    let mut word = [0; WORD];
    let read = ptrace::memory(task)?.read_remote(address, &mut word, Force::Yes);
    if read == WORD { Ok(u64::from_ne_bytes(word)) } else { Err(Errno::EIO) }
}

/// Changes a word of the tracee's memory; what it shares with others becomes its own.
fn poke(task: &TaskRef, address: usize, word: usize) -> Result<()> {
    let bytes = word.to_ne_bytes();
    let written = ptrace::memory(task)?.write_remote(address, &bytes, Force::Yes);
    if written == WORD { Ok(()) } else { Err(Errno::EIO) }
}

/// What a signal carries, as the user says.
fn user_info(bytes: &[u8; process::signal::info::INFO_SIZE]) -> Result<SigInfo> {
    let number = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let signal = Signal::from_number(number).ok_or(Errno::EINVAL)?;
    Ok(SigInfo::from_bytes(signal, bytes))
}
