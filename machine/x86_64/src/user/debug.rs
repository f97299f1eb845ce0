//! What a debugger sees and changes of a program: all of its registers, single steps, watched
//! addresses.
//!
//! Watched addresses are in the debug registers only while the program that has them is live on the
//! CPU; `state` puts them there together with the rest, so that a program without a debugger pays
//! nothing. They are user addresses, and the kernel's own accesses to them do not count.

use super::signal::{USER_FLAGS, make_valid};
use super::state::sizes;
use super::{UserContext, vector};
use crate::descriptor::{USER_CODE, USER_DATA};
use crate::layout::USER_END;
use crate::registers::{RFLAGS_RF, RFLAGS_TF, dr, set_dr};
use contract::{DebugRegisters, Fault, UserRegisters, WATCHES};

/// Where in the extended state the software tells which components there are.
const COMPONENTS_WORD: usize = 464;
/// DR6 without any hit: the bits that read as one.
const DR6_CLEAR: u64 = 0xffff_0ff0;

/// The size of a program's floating-point and vector registers, in bytes.
pub fn extended_state_size() -> usize {
    sizes().area
}

/// A user address, or 0.
fn user_address(value: u64) -> u64 {
    if value < USER_END as u64 { value } else { 0 }
}

impl UserContext {
    /// The flags as the program set them.
    pub(super) fn visible_flags(&self) -> u64 {
        if self.stepping { self.registers.rflags & !RFLAGS_TF } else { self.registers.rflags }
    }

    /// The general registers as a debugger sees them.
    pub fn registers(&self) -> UserRegisters {
        let r = &self.registers;
        let call = if r.vector == vector::SYSTEM_CALL { r.code } else { u64::MAX };
        let (code, data) = (USER_CODE.into(), USER_DATA.into());
        UserRegisters([
            r.r15,
            r.r14,
            r.r13,
            r.r12,
            r.rbp,
            r.rbx,
            r.r11,
            r.r10,
            r.r9,
            r.r8,
            r.rax,
            r.rcx,
            r.rdx,
            r.rsi,
            r.rdi,
            call,
            r.rip,
            code,
            self.visible_flags(),
            r.rsp,
            data,
            self.state.fs_base(),
            self.state.gs_base(),
            0,
            0,
            0,
            0,
        ])
    }

    /// Sets the general registers. Selectors stay as they are, and flags beyond user mode's.
    pub fn set_registers(&mut self, new: &UserRegisters) {
        let r = &mut self.registers;
        let flags;
        let (call, fs_base, gs_base);
        [
            r.r15,
            r.r14,
            r.r13,
            r.r12,
            r.rbp,
            r.rbx,
            r.r11,
            r.r10,
            r.r9,
            r.r8,
            r.rax,
            r.rcx,
            r.rdx,
            r.rsi,
            r.rdi,
            call,
            r.rip,
            _,
            flags,
            r.rsp,
            _,
            fs_base,
            gs_base,
            ..,
        ] = new.0;
        if r.vector == vector::SYSTEM_CALL || (call as i64) >= 0 {
            // Forgetting the call makes it like any other trap, without anything to restart.
            r.vector = if (call as i64) < 0 { 0 } else { vector::SYSTEM_CALL };
            r.code = call;
        }
        let keep_step = if self.stepping { RFLAGS_TF } else { 0 };
        let r = &mut self.registers;
        r.rflags = r.rflags & !USER_FLAGS | flags & USER_FLAGS | keep_step;
        if fs_base != self.state.fs_base() {
            self.state.set_fs_base(user_address(fs_base));
        }
        if gs_base != self.state.gs_base() {
            self.state.set_gs_base(user_address(gs_base));
        }
    }

    /// Copies the floating-point and vector registers into a buffer of [`extended_state_size`].
    pub fn extended_state(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.state.bytes());
        if sizes().components != 0 {
            let word = COMPONENTS_WORD..COMPONENTS_WORD + 8;
            buffer[word].copy_from_slice(&sizes().components.to_le_bytes());
        }
    }

    /// Sets the floating-point and vector registers. On an error nothing has changed.
    pub fn set_extended_state(&mut self, buffer: &[u8]) -> Result<(), Fault> {
        if buffer.len() != sizes().area {
            return Err(Fault);
        }
        let area = self.state.bytes_mut();
        let mut old = [0; super::state::LEGACY_SIZE + super::state::HEADER_SIZE];
        let head = old.len().min(area.len());
        old[..head].copy_from_slice(&area[..head]);
        area[..head].copy_from_slice(&buffer[..head]);
        if !make_valid(area, true) {
            area[..head].copy_from_slice(&old[..head]);
            return Err(Fault);
        }
        area[head..].copy_from_slice(&buffer[head..]);
        Ok(())
    }

    /// Whether the program traps after each instruction.
    pub fn set_single_step(&mut self, on: bool) {
        if on && self.registers.rflags & RFLAGS_TF == 0 {
            self.registers.rflags |= RFLAGS_TF;
            self.stepping = true;
        } else if !on && self.stepping {
            self.registers.rflags &= !RFLAGS_TF;
            self.stepping = false;
        }
    }

    /// The watched addresses, and what the last debug exception was for.
    pub fn debug_registers(&self) -> DebugRegisters {
        let (addresses, control) = self.state.watches();
        DebugRegisters {
            addresses: addresses.map(|address| address as usize),
            status: self.debug_status,
            control,
        }
    }

    /// Watches other addresses. The control word enables only what the processor knows.
    pub fn set_debug_registers(&mut self, new: &DebugRegisters) {
        self.debug_status = new.status;
        let addresses = new.addresses.map(|address| user_address(address as u64));
        if self.state.watches() != (addresses, new.control) {
            self.state.set_watches(addresses, new.control);
        }
    }

    /// A debug exception came from user mode; interrupts are still off.
    pub(super) fn note_debug_exception(&mut self) {
        let status = dr::<6>() & (DebugRegisters::HITS | DebugRegisters::STEP);
        set_dr::<6>(DR6_CLEAR);
        self.debug_status = status;
        let (_, control) = self.state.watches();
        let executes = |watch: usize| control >> (16 + 4 * watch) & 3 == 0;
        if (0..WATCHES).any(|watch| status & 1 << watch != 0 && executes(watch)) {
            // It came before the instruction, and would come again.
            self.registers.rflags |= RFLAGS_RF;
        }
    }
}
