//! Signal frames on the user stack, in Linux's layout for x86-64, so that libraries, unwinders and
//! debuggers find what they know.

use super::copy::copy_from_to;
use super::state::{HEADER_SIZE, LEGACY_SIZE, MXCSR, sizes};
use super::{UserContext, copy_from, copy_to};
use crate::descriptor::{USER_CODE, USER_DATA};
use crate::registers::{RFLAGS_AC, RFLAGS_DF, RFLAGS_RF, RFLAGS_TF};
use contract::{Fault, RestoredSignal, SignalFrame};
use core::mem::MaybeUninit;

/// What the program may have below its stack pointer without saying so.
const RED_ZONE: usize = 128;

/// `ucontext_t`'s flags: extended state present, SS saved and restored.
const UC_FP_XSTATE: u64 = 1;
const UC_SIGCONTEXT_SS: u64 = 2;
const UC_STRICT_RESTORE_SS: u64 = 4;

/// Where the software's own words are in the legacy state, and what says that there is more state.
const SOFTWARE_WORDS: usize = 464;
const MAGIC_FIRST: u32 = 0x4650_5853;
const MAGIC_LAST: u32 = 0x4650_5845;
const MAGIC_LAST_SIZE: usize = 4;

/// The flags that a program may change: arithmetic, direction, single step, alignment, resume.
pub(super) const USER_FLAGS: u64 = 0xcd5 | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_RF;

/// `struct rt_sigframe`.
#[repr(C)]
struct Frame {
    restored: Restored,
    info: [u8; 128],
}

/// The part of it that a handler's return looks at: the return address and `ucontext_t`, in 64-bit words but for what is marked.
#[repr(C)]
struct Restored {
    restorer: u64,
    uc_flags: u64,
    uc_link: u64,
    stack_address: u64,
    /// With 32 bits of padding.
    stack_flags: u64,
    stack_size: u64,
    /// R8 to R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP.
    registers: [u64; 17],
    rflags: u64,
    /// CS, GS, FS, SS, 16 bits each.
    selectors: u64,
    code: u64,
    vector: u64,
    old_mask: u64,
    fault_address: u64,
    state: u64,
    reserved: [u64; 8],
    mask: u64,
}

const _: () = assert!(size_of::<Frame>() == 440);

impl Frame {
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: words without padding.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

impl Restored {
    /// Reads it from the user stack.
    fn read(at: usize) -> Result<Self, Fault> {
        let mut words = MaybeUninit::<Self>::uninit();
        // SAFETY: the place is of this size. Once all of it has been written it is one: words, for which any bytes will do.
        unsafe {
            copy_from_to(at, words.as_mut_ptr().cast(), size_of::<Self>())?;
            Ok(words.assume_init())
        }
    }
}

impl UserContext {
    /// Puts a signal frame on the user stack and makes the program go on in the handler. On a fault
    /// nothing has changed but user memory.
    #[inline]
    pub fn deliver_signal(&mut self, signal: &SignalFrame<'_>) -> Result<(), Fault> {
        let top = match signal.stack_top {
            Some(top) => top,
            None => self.stack_pointer().wrapping_sub(RED_ZONE),
        };
        let extended = sizes().components != 0;
        let state_size = sizes().area + if extended { MAGIC_LAST_SIZE } else { 0 };
        let state = top.wrapping_sub(state_size) & !63;
        // The handler starts as if it had been called: one word off a multiple of 16.
        let at = (state.wrapping_sub(size_of::<Frame>()) & !15).wrapping_sub(8);

        self.put_state(state, extended)?;
        let frame =
            Frame { restored: self.what_to_restore(signal, state, extended), info: *signal.info };
        copy_to(at, frame.as_bytes())?;

        let registers = &mut self.registers;
        registers.rip = signal.handler as u64;
        registers.rsp = at as u64;
        registers.rdi = signal.signal.into();
        registers.rsi = (at + core::mem::offset_of!(Frame, info)) as u64;
        registers.rdx = (at + core::mem::offset_of!(Frame, restored.uc_flags)) as u64;
        registers.rax = 0;
        registers.rflags &= !(RFLAGS_DF | RFLAGS_TF | RFLAGS_RF);
        Ok(())
    }

    #[inline]
    fn what_to_restore(&self, signal: &SignalFrame<'_>, state: usize, extended: bool) -> Restored {
        let r = &self.registers;
        let (stack_address, stack_flags, stack_size) = signal.alternate_stack;
        let uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
        Restored {
            restorer: signal.restorer as u64,
            uc_flags: if extended { uc_flags | UC_FP_XSTATE } else { uc_flags },
            uc_link: 0,
            stack_address: stack_address as u64,
            stack_flags: stack_flags.into(),
            stack_size: stack_size as u64,
            registers: [
                r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx,
                r.rdx, r.rax, r.rcx, r.rsp, r.rip,
            ],
            rflags: self.visible_flags(),
            selectors: u64::from(USER_CODE) | u64::from(USER_DATA) << 48,
            code: if r.vector < 32 { r.code } else { 0 },
            vector: if r.vector < 32 { r.vector } else { 0 },
            old_mask: signal.saved_mask,
            fault_address: self.fault_address,
            state: state as u64,
            reserved: [0; 8],
            mask: signal.saved_mask,
        }
    }

    /// Writes the floating-point state to the user stack: out of the registers where that goes, else by way of the kernel's copy.
    fn put_state(&self, at: usize, extended: bool) -> Result<(), Fault> {
        if !extended {
            copy_to(at, self.state.bytes())?;
            return copy_to(at + SOFTWARE_WORDS, &[0; LEGACY_SIZE - SOFTWARE_WORDS]);
        }
        let size = sizes().area;
        let words = SoftwareWords::new(size, sizes().components);
        // First, for the pages that may be missing: what is done with the registers does not wait for them.
        copy_to(at + size, &MAGIC_LAST.to_le_bytes())?;
        copy_to(at + SOFTWARE_WORDS, words.as_bytes())?;
        if !self.state.save_to_user(at) {
            copy_to(at, self.state.bytes())?;
            copy_to(at + SOFTWARE_WORDS, &words.as_bytes()[..LEGACY_SIZE - SOFTWARE_WORDS])?;
        }
        Ok(())
    }

    /// Takes the frame that the handler returned to. On a fault the registers are partly restored:
    /// the program cannot go on.
    pub fn restore_signal(&mut self) -> Result<RestoredSignal, Fault> {
        // The handler's return took the first word off.
        let at = self.stack_pointer().wrapping_sub(size_of::<u64>());
        let frame = Restored::read(at)?;
        let r = &mut self.registers;
        [
            r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx,
            r.rdx, r.rax, r.rcx, r.rsp, r.rip,
        ] = frame.registers;
        r.rflags = r.rflags & !USER_FLAGS | frame.rflags & USER_FLAGS;
        // Not a system call any more: nothing to restart, and the way back is the full one.
        r.vector = 0;
        r.code = u64::MAX;
        self.take_state(frame.state as usize)?;
        Ok(RestoredSignal {
            mask: frame.mask,
            alternate_stack: (
                frame.stack_address as usize,
                frame.stack_flags as u32,
                frame.stack_size as usize,
            ),
        })
    }

    /// Reads the floating-point state from the user stack; none there means the initial one.
    fn take_state(&mut self, at: usize) -> Result<(), Fault> {
        if at == 0 {
            self.state.reset_area();
            return Ok(());
        }
        let extended = is_extended(at)?;
        // The processor looks at what the user may have written, and refuses what it cannot load.
        if extended && self.state.load_from_user(at) {
            return Ok(());
        }
        let area = self.state.replaced();
        let length = if extended { area.len() } else { LEGACY_SIZE };
        let copied = copy_from(at, &mut area[..length]);
        // The user may have written anything, so what would make the restoring instruction fault is
        // looked for in the kernel's copy.
        if copied.is_err() || !make_valid(area, extended) {
            self.state.reset_area();
            return Err(Fault);
        }
        Ok(())
    }
}

/// The end of the legacy state, which is the software's, and the header that follows it, without a component yet.
#[repr(C)]
struct SoftwareWords {
    magic: u32,
    whole_size: u32,
    components: u64,
    size: u32,
    unused: [u32; 7],
    header: [u64; HEADER_SIZE / size_of::<u64>()],
}

const _: () = assert!(size_of::<SoftwareWords>() == LEGACY_SIZE - SOFTWARE_WORDS + HEADER_SIZE);

impl SoftwareWords {
    fn new(size: usize, components: u64) -> Self {
        Self {
            magic: MAGIC_FIRST,
            whole_size: (size + MAGIC_LAST_SIZE) as u32,
            components,
            size: size as u32,
            unused: [0; 7],
            header: [0; 8],
        }
    }

    fn as_bytes(&self) -> &[u8] {
        // SAFETY: numbers without padding.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

/// Whether the state on the user stack is of the size that the kernel saves, and marked so at both ends.
fn is_extended(at: usize) -> Result<bool, Fault> {
    let mut words = [0; 20];
    copy_from(at.checked_add(SOFTWARE_WORDS).ok_or(Fault)?, &mut words)?;
    let word = |i: usize| u32::from_le_bytes([words[i], words[i + 1], words[i + 2], words[i + 3]]);
    let size = sizes().area;
    if sizes().components == 0 || word(0) != MAGIC_FIRST || word(16) as usize != size {
        return Ok(false);
    }
    let mut last = [0; MAGIC_LAST_SIZE];
    copy_from(at.checked_add(size).ok_or(Fault)?, &mut last)?;
    Ok(u32::from_le_bytes(last) == MAGIC_LAST)
}

/// Makes a state that the user wrote one that can be restored; false if it cannot be meant.
pub(super) fn make_valid(area: &mut [u8], extended: bool) -> bool {
    let mxcsr = area[MXCSR..MXCSR + 4].iter().rev().fold(0, |sum, b| sum << 8 | u32::from(*b));
    if mxcsr & !sizes().mxcsr_mask != 0 {
        return false;
    }
    let components = sizes().components;
    if components == 0 {
        return true;
    }
    let header = &mut area[LEGACY_SIZE..LEGACY_SIZE + HEADER_SIZE];
    // Without the extended part, what is beyond the legacy one goes back to its initial state.
    let mut present = 3;
    if extended {
        present = header[..8].iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b));
    }
    header.fill(0);
    header[..8].copy_from_slice(&present.to_le_bytes());
    present & !components == 0
}
