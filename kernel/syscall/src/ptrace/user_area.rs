//! The *user area*: single registers by their place in `struct user`.

use errno::{Errno, Result};
use machine::user::USER_END;
use machine::{DebugRegisters, REGISTER_WORDS, UserRegisters, WATCHES};
use process::ptrace;
use sched::TaskRef;

use super::{WORD, registers};
use crate::user::UserPtr;

/// `sizeof(struct user)`, and where `u_debugreg` is in it.
const AREA_SIZE: usize = 912;
const DEBUG_OFFSET: usize = 848;
const DEBUG_REGISTERS: usize = 8;
/// The debug registers that are no addresses.
const STATUS: usize = 6;
const CONTROL: usize = 7;

/// What is at an offset.
enum Place {
    /// A general register.
    General(usize),
    /// A debug register.
    Debug(usize),
    /// Something that is not kept.
    Other,
}

fn place(offset: usize) -> Result<Place> {
    if !offset.is_multiple_of(WORD) || offset >= AREA_SIZE {
        return Err(Errno::EIO);
    }
    let debug_end = DEBUG_OFFSET + DEBUG_REGISTERS * WORD;
    Ok(match offset {
        _ if offset < REGISTER_WORDS * WORD => Place::General(offset / WORD),
        DEBUG_OFFSET.. if offset < debug_end => Place::Debug((offset - DEBUG_OFFSET) / WORD),
        _ => Place::Other,
    })
}

/// `PTRACE_PEEKUSER`.
pub(super) fn read(task: &TaskRef, offset: usize) -> Result<u64> {
    let registers = registers::general(task)?;
    Ok(match place(offset)? {
        Place::General(index) => registers.0[index],
        Place::Debug(index) => {
            let debug = ptrace::with_snapshot(task, |snapshot| Ok(*snapshot.debug()))?;
            match index {
                STATUS => debug.status,
                CONTROL => debug.control,
                _ => debug.addresses.get(index).map_or(0, |&address| address as u64),
            }
        }
        Place::Other => 0,
    })
}

/// `PTRACE_POKEUSER`.
pub(super) fn write(task: &TaskRef, offset: usize, word: u64) -> Result<()> {
    registers::general(task)?;
    match place(offset)? {
        Place::General(index) => ptrace::with_snapshot(task, |snapshot| {
            set_register(snapshot.registers_mut(), index, word)
        }),
        Place::Debug(index) => ptrace::with_snapshot(task, |snapshot| {
            let mut debug = *snapshot.debug();
            set_debug_register(&mut debug, index, word)?;
            *snapshot.debug_mut() = debug;
            Ok(())
        }),
        Place::Other => Err(Errno::EIO),
    }
}

/// Sets one general register.
///
/// # Errors
/// EIO: a base that is no user address, or the kernel's own segment.
pub(super) fn set_register(registers: &mut UserRegisters, index: usize, word: u64) -> Result<()> {
    let place = registers.0.get_mut(index).ok_or(Errno::EIO)?;
    match index {
        UserRegisters::THREAD_POINTER | UserRegisters::GS_BASE if word >= USER_END as u64 => {
            return Err(Errno::EIO);
        }
        // Selectors of user mode only; the machine keeps the ones that there are.
        UserRegisters::CODE_SEGMENT | UserRegisters::STACK_SEGMENT if word & 3 != 3 => {
            return Err(Errno::EIO);
        }
        UserRegisters::CODE_SEGMENT | UserRegisters::STACK_SEGMENT => {}
        _ => *place = word,
    }
    Ok(())
}

/// Bits of the control word for a watch: what for, how many bytes.
const EXECUTE: u64 = 0;
const IN_OUT: u64 = 2;
const LENGTH_OF_EIGHT: u64 = 2;

/// Sets one debug register.
///
/// # Errors
/// EIO: there is no such register. EINVAL: an address that is no user address, or a way of watching
/// that makes no sense for it.
fn set_debug_register(debug: &mut DebugRegisters, index: usize, word: u64) -> Result<()> {
    match index {
        0..WATCHES => {
            let address = usize::try_from(word).map_err(|_| Errno::EINVAL)?;
            if address >= USER_END {
                return Err(Errno::EINVAL);
            }
            debug.addresses[index] = address;
            check_control(debug, debug.control)?;
        }
        STATUS => debug.status = word,
        CONTROL => debug.control = check_control(debug, word)?,
        _ => return Err(Errno::EIO),
    }
    Ok(())
}

/// What of a control word holds.
fn check_control(debug: &DebugRegisters, control: u64) -> Result<u64> {
    let mut checked = 0;
    for (watch, &address) in debug.addresses.iter().enumerate() {
        if control >> (2 * watch) & 3 == 0 {
            continue;
        }
        let kind = control >> (16 + 4 * watch) & 3;
        let length = control >> (18 + 4 * watch) & 3;
        let bytes = if length == LENGTH_OF_EIGHT { 8 } else { length as usize + 1 };
        if kind == IN_OUT || kind == EXECUTE && bytes != 1 || !address.is_multiple_of(bytes) {
            return Err(Errno::EINVAL);
        }
        checked |= 3 << (2 * watch) & control | (kind | length << 2) << (16 + 4 * watch);
    }
    Ok(checked)
}

const ARCH_SET_GS: usize = 0x1001;
const ARCH_SET_FS: usize = 0x1002;
const ARCH_GET_FS: usize = 0x1003;
const ARCH_GET_GS: usize = 0x1004;

/// `PTRACE_ARCH_PRCTL`: the tracee's segment bases.
pub(super) fn arch_prctl(task: &TaskRef, code: usize, address: usize) -> Result<()> {
    let general = registers::general(task)?;
    let index = match code {
        ARCH_SET_FS | ARCH_GET_FS => UserRegisters::THREAD_POINTER,
        ARCH_SET_GS | ARCH_GET_GS => UserRegisters::GS_BASE,
        _ => return Err(Errno::EINVAL),
    };
    if matches!(code, ARCH_GET_FS | ARCH_GET_GS) {
        return UserPtr::new(address).write(&general.0[index]);
    }
    ptrace::with_snapshot(task, |snapshot| {
        set_register(snapshot.registers_mut(), index, address as u64).map_err(|_| Errno::EPERM)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c04_watches_are_checked() {
        let mut debug = DebugRegisters::default();
        assert_eq!(set_debug_register(&mut debug, 0, USER_END as u64), Err(Errno::EINVAL));
        assert_eq!(set_debug_register(&mut debug, 0, 0x1002), Ok(()));
        let four_bytes_written = 1 | 0b1101 << 16;
        assert_eq!(set_debug_register(&mut debug, CONTROL, four_bytes_written), Err(Errno::EINVAL));
        assert_eq!(set_debug_register(&mut debug, 0, 0x1004), Ok(()));
        assert_eq!(set_debug_register(&mut debug, CONTROL, four_bytes_written | 0x300), Ok(()));
        assert_eq!(debug.control, four_bytes_written);
        assert_eq!(set_debug_register(&mut debug, 0, 0x1001), Err(Errno::EINVAL), "while it is on");
        let ports = 1 | 0b0010 << 16;
        assert_eq!(set_debug_register(&mut debug, CONTROL, ports), Err(Errno::EINVAL));
        assert_eq!(set_debug_register(&mut debug, 4, 0), Err(Errno::EIO));
    }

    #[test]
    fn c04_user_area_has_linux_offsets() {
        assert!(matches!(place(120), Ok(Place::General(UserRegisters::SYSTEM_CALL))));
        assert!(matches!(place(848 + 56), Ok(Place::Debug(CONTROL))));
        assert!(matches!(place(224), Ok(Place::Other)));
        assert!(place(4).is_err() && place(912).is_err());
    }
}
