//! What a program has in the processor that the kernel does not use: floating point, vectors, the selectors of data
//! segments, and the bases of FS and GS.
//!
//! It is *live* while the newest version is in the registers: from the entry into user mode until the
//! kernel switches to another context, which saves it. It stays *loaded* after that, until another
//! program's state is loaded on the same CPU: a program that comes back to the CPU where it ran last,
//! with nobody in between, finds its state in the registers and nothing is restored. A kernel thread
//! in between costs nothing but the one save.

use super::copy;
use crate::features;
use crate::irq;
use crate::once::Once;
use crate::percpu::{self, PerCpu};
use crate::registers::{cpuid, msr, rdmsr, set_dr, wrmsr};
use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use contract::{OutOfFrames, WATCHES};
use core::arch::asm;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// The size of the part that FXSAVE knows.
pub(crate) const LEGACY_SIZE: usize = 512;
/// The header that follows it in the format of XSAVE.
pub(crate) const HEADER_SIZE: usize = 64;
/// Components that are saved: x87, SSE, AVX, and the three of AVX-512.
const COMPONENTS: u64 = 0b1110_0111;
/// Offsets in the legacy part, and what they hold at the start of a program.
const CONTROL_WORD: usize = 0;
const CONTROL_WORD_INITIAL: u16 = 0x37f;
pub(crate) const MXCSR: usize = 24;
const MXCSR_INITIAL: u32 = 0x1f80;
const MXCSR_MASK: usize = 28;
const MXCSR_MASK_DEFAULT: u32 = 0xffbf;
/// No CPU has it in its registers.
const NOWHERE: u32 = u32::MAX;

/// How much there is to save.
pub(crate) struct Sizes {
    /// Bytes of the save area.
    pub area: usize,
    /// The components that are saved, 0 without XSAVE.
    pub components: u64,
    /// The bits of MXCSR that may be set.
    pub mxcsr_mask: u32,
}

static SIZES: Once<Sizes> = Once::new();

/// How much there is to save; after `measure`.
pub(crate) fn sizes() -> &'static Sizes {
    SIZES.get().expect("the state is measured at boot")
}

/// Finds out how much there is to save; once.
pub(crate) fn measure() {
    let components = if features::get().xsave { cpuid(0xd, 0).eax as u64 & COMPONENTS } else { 0 };
    if components != 0 {
        // SAFETY: the processor has XSAVE, and these components.
        unsafe { set_components(components) };
    }
    let area = match components {
        0 => LEGACY_SIZE,
        // The size for what has just been turned on.
        _ => cpuid(0xd, 0).ebx as usize,
    };
    #[repr(align(16))]
    struct Legacy([u8; LEGACY_SIZE]);
    let mut legacy = Legacy([0; LEGACY_SIZE]);
    // SAFETY: the area is large enough and aligned.
    unsafe { asm!("fxsave64 [{}]", in(reg) &mut legacy, options(nostack, preserves_flags)) };
    let mask = &legacy.0[MXCSR_MASK..MXCSR_MASK + 4];
    let mask = mask.iter().rev().fold(0u32, |mask, byte| mask << 8 | u32::from(*byte));
    let mxcsr_mask = if mask == 0 { MXCSR_MASK_DEFAULT } else { mask };
    SIZES.set(Sizes { area, components, mxcsr_mask });
}

/// Turns the components on for this CPU.
pub(crate) fn start_cpu() {
    let components = sizes().components;
    if components != 0 {
        // SAFETY: as in `measure`.
        unsafe { set_components(components) };
    }
}

/// # Safety
/// The processor has XSAVE and these components, and CR4 says so.
unsafe fn set_components(components: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") components as u32, in("edx") (components >> 32) as u32,
            options(nomem, nostack, preserves_flags));
    }
}

/// A program's state, followed in memory by the save area.
#[repr(C, align(64))]
pub struct UserState {
    fs_base: AtomicU64,
    gs_base: AtomicU64,
    /// The selectors in DS, ES, FS and GS, 16 bits each: mostly zeros, and to no effect but that the next program could
    /// read them.
    selectors: AtomicU64,
    /// The addresses that it watches, and how (DR0 to DR3, DR7).
    watched: [AtomicU64; WATCHES],
    watch_control: AtomicU64,
    /// The CPU whose registers hold this version, if that CPU still thinks so too.
    loaded_on: AtomicU32,
}

impl UserState {
    fn area(&self) -> *mut u8 {
        // SAFETY: the area follows in the same allocation.
        unsafe { core::ptr::from_ref(self).add(1).cast::<u8>().cast_mut() }
    }

    /// Registers to memory.
    fn save(&self) {
        let mask = u32::MAX;
        let area = self.area();
        // SAFETY: the area has the size for what is turned on, and its alignment.
        unsafe {
            if features::get().xsaveopt {
                asm!("xsaveopt64 [{}]", in(reg) area, in("eax") mask, in("edx") mask, options(nostack, preserves_flags));
            } else if features::get().xsave {
                asm!("xsave64 [{}]", in(reg) area, in("eax") mask, in("edx") mask, options(nostack, preserves_flags));
            } else {
                asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags));
            }
        }
        self.save_selectors();
    }

    /// The part of it that is not in the area.
    fn save_selectors(&self) {
        self.fs_base.store(read_fs_base(), Relaxed);
        self.gs_base.store(rdmsr(msr::KERNEL_GS_BASE), Relaxed);
        self.selectors.store(read_selectors(), Relaxed);
    }

    /// Memory to registers.
    fn restore(&self) {
        let mask = u32::MAX;
        let area = self.area();
        if features::get().keeps_error_pointers {
            forget_error_pointers();
        }
        // Before the bases, which they change.
        let selectors = self.selectors.load(Relaxed);
        if selectors != read_selectors() {
            write_selectors(selectors);
        }
        // SAFETY: the area holds what `save` wrote or what was made like it: `reset`, `replace`.
        unsafe {
            if features::get().xsave {
                asm!("xrstor64 [{}]", in(reg) area, in("eax") mask, in("edx") mask, options(nostack, preserves_flags));
            } else {
                asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags));
            }
            wrmsr(msr::KERNEL_GS_BASE, self.gs_base.load(Relaxed));
        }
        write_fs_base(self.fs_base.load(Relaxed));
    }
}

/// Makes the pointers to the last floating-point error point into the kernel's own, rather than another program's, code and data.
/// Interrupts off, and what is in the registers is about to be replaced.
#[cold]
fn forget_error_pointers() {
    static NOTHING: u32 = 0;
    // SAFETY: changes floating-point registers that hold nothing any more. Errors are cleared first: one that is pending
    // would be raised by the load.
    unsafe {
        asm!("fnclex", "emms", "fild dword ptr [{}]", in(reg) &NOTHING, options(nostack, readonly));
    }
}

/// DS, ES, FS and GS, from the lowest bits up.
fn read_selectors() -> u64 {
    let (ds, es, fs, gs): (u64, u64, u64, u64);
    // SAFETY: reads registers.
    unsafe {
        asm!("mov {:r}, ds", "mov {:r}, es", "mov {:r}, fs", "mov {:r}, gs",
            out(reg) ds, out(reg) es, out(reg) fs, out(reg) gs,
            options(nomem, nostack, preserves_flags));
    }
    (ds & 0xffff) | (es & 0xffff) << 16 | (fs & 0xffff) << 32 | (gs & 0xffff) << 48
}

/// Interrupts off: for a moment GS is the program's.
#[cold]
fn write_selectors(selectors: u64) {
    // SAFETY: they came out of the registers of a program in user mode, and all CPUs have the same segments. The kernel uses
    // none of these but GS, whose own base is out of the way meanwhile; a non-maskable interrupt brings its own.
    unsafe {
        asm!("mov ds, {0:e}", "mov es, {1:e}", "mov fs, {2:e}", "swapgs", "mov gs, {3:e}", "swapgs",
            in(reg) selectors as u16 as u32, in(reg) (selectors >> 16) as u16 as u32,
            in(reg) (selectors >> 32) as u16 as u32, in(reg) (selectors >> 48) as u16 as u32,
            options(nostack, preserves_flags));
    }
}

fn read_fs_base() -> u64 {
    if !features::get().fsgsbase {
        return rdmsr(msr::FS_BASE);
    }
    let base;
    // SAFETY: the processor has it and CR4 allows it.
    unsafe { asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

fn write_fs_base(base: u64) {
    // SAFETY: the kernel does not use FS; the value came out of the register or is a user address.
    unsafe {
        match features::get().fsgsbase {
            true => asm!("wrfsbase {}", in(reg) base, options(nomem, nostack, preserves_flags)),
            false => wrmsr(msr::FS_BASE, base),
        }
    }
}

/// Makes this CPU watch what the state that becomes live watches, which may be nothing. Interrupts off.
#[cold]
fn watch(cpu: &PerCpu, addresses: [u64; WATCHES], control: u64) {
    // Off while the addresses change, so that no old way of watching meets a new address.
    set_dr::<7>(0);
    if control != 0 {
        set_dr::<0>(addresses[0]);
        set_dr::<1>(addresses[1]);
        set_dr::<2>(addresses[2]);
        set_dr::<3>(addresses[3]);
        set_dr::<7>(control);
    }
    cpu.watch_control.store(control, Relaxed);
}

/// Saves the state that is live on this CPU. Interrupts off.
#[cold]
pub(crate) fn save_live(cpu: &PerCpu) {
    let live = cpu.live_state.load(Relaxed);
    // SAFETY: a state that is live exists: dropping it ends that.
    if let Some(state) = unsafe { live.as_ref() } {
        state.save();
        cpu.live_state.store(null_mut(), Relaxed);
    }
}

/// An owned [`UserState`].
pub(crate) struct State(NonNull<UserState>);

// SAFETY: it is memory of its own; the CPU that it is live on is that of its owner.
unsafe impl Send for State {}
// SAFETY: through a shared reference only the owning task, which is one, changes it.
unsafe impl Sync for State {}

fn layout() -> Layout {
    let size = size_of::<UserState>() + sizes().area;
    Layout::from_size_align(size, align_of::<UserState>()).expect("the size is a processor's")
}

impl State {
    /// The state of a program about to start.
    pub(crate) fn new() -> Result<Self, OutOfFrames> {
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc_zeroed(layout()) }.cast::<UserState>();
        let state = Self(NonNull::new(memory).ok_or(OutOfFrames)?);
        // Zeros are a state, but for these.
        state.get().loaded_on.store(NOWHERE, Relaxed);
        state.set_initial();
        Ok(state)
    }

    fn get(&self) -> &UserState {
        // SAFETY: the allocation lives as long as this, and is made of atomics and the area.
        unsafe { self.0.as_ref() }
    }

    fn set_initial(&self) {
        let area = self.get().area();
        // SAFETY: within the area.
        unsafe {
            area.write_bytes(0, sizes().area);
            area.add(CONTROL_WORD).cast::<u16>().write(CONTROL_WORD_INITIAL);
            area.add(MXCSR).cast::<u32>().write(MXCSR_INITIAL);
        }
    }

    /// Makes it live on this CPU. Interrupts off.
    #[inline]
    pub(crate) fn load(&self) {
        let cpu = percpu::this();
        if cpu.live_state.load(Relaxed) != self.0.as_ptr() {
            self.make_live(cpu);
        }
    }

    fn make_live(&self, cpu: &PerCpu) {
        // One task may run several contexts in turn.
        save_live(cpu);
        let state = self.get();
        let id = cpu.id() as u32;
        if cpu.loaded_state.load(Relaxed) != self.0.as_ptr() || state.loaded_on.load(Relaxed) != id
        {
            state.restore();
            cpu.loaded_state.store(self.0.as_ptr(), Relaxed);
            state.loaded_on.store(id, Relaxed);
        }
        let control = state.watch_control.load(Relaxed);
        if control | cpu.watch_control.load(Relaxed) != 0 {
            let watched = state.watched.each_ref().map(|address| address.load(Relaxed));
            watch(cpu, watched, control);
        }
        cpu.live_state.store(self.0.as_ptr(), Relaxed);
    }

    /// Does something while no interrupt can switch; `live` says whether the registers hold the newest
    /// version.
    fn settled<R>(&self, action: impl FnOnce(&PerCpu, bool) -> R) -> R {
        let interrupts = irq::disable();
        let cpu = percpu::this();
        let live = cpu.live_state.load(Relaxed) == self.0.as_ptr();
        let result = action(cpu, live);
        if interrupts {
            irq::enable();
        }
        result
    }

    /// Brings memory up to date.
    fn write_back(&self) {
        self.settled(|cpu, live| {
            if live {
                save_live(cpu);
            }
        });
    }

    /// Makes memory the only version, for a change.
    fn take_out(&self) {
        self.write_back();
        self.get().loaded_on.store(NOWHERE, Relaxed);
    }

    /// A copy.
    pub(crate) fn duplicate(&self) -> Result<Self, OutOfFrames> {
        let copy = Self::new()?;
        self.write_back();
        // SAFETY: two areas of the same size.
        unsafe {
            copy.get().area().copy_from_nonoverlapping(self.get().area(), sizes().area);
        }
        copy.get().fs_base.store(self.get().fs_base.load(Relaxed), Relaxed);
        copy.get().gs_base.store(self.get().gs_base.load(Relaxed), Relaxed);
        copy.get().selectors.store(self.get().selectors.load(Relaxed), Relaxed);
        Ok(copy)
    }

    /// Back to the state of a program about to start.
    pub(crate) fn reset(&mut self) {
        self.reset_area();
        self.get().fs_base.store(0, Relaxed);
        self.get().gs_base.store(0, Relaxed);
        self.get().selectors.store(0, Relaxed);
        self.set_watches([0; WATCHES], 0);
    }

    /// The same for all but the segment bases.
    pub(crate) fn reset_area(&mut self) {
        self.replaced();
        self.set_initial();
    }

    /// Writes the newest version of what the area holds to user memory, if it is in the registers and no page is missing; false if not. The
    /// software's words and the header's reserved ones are left as they are.
    pub(super) fn save_to_user(&self, at: usize) -> bool {
        let Sizes { area, components, .. } = *sizes();
        components != 0
            && self.settled(|_, live| {
                // SAFETY: there are components: XSAVE is there. The registers are this program's.
                live && unsafe { copy::save_state_to(at, area) }.is_ok()
            })
    }

    /// Reads it back. False: it was not in the registers, a page is missing, or the processor refuses what it finds. Then what the area
    /// held is lost, and is to be [replaced](Self::replaced).
    pub(super) fn load_from_user(&mut self, at: usize) -> bool {
        let Sizes { area, components, .. } = *sizes();
        components != 0
            && self.settled(|_, live| {
                // SAFETY: as in `save_to_user`.
                live && unsafe { copy::load_state_from(at, area) }.is_ok()
            })
    }

    /// The save area, to be written anew, all of it. The caller leaves it such that it can be restored.
    pub(super) fn replaced(&mut self) -> &mut [u8] {
        self.settled(|cpu, live| {
            if live {
                // After a load that failed half-way nothing says what of it XSAVEOPT would take to be in memory already.
                self.get().save_selectors();
                cpu.live_state.store(null_mut(), Relaxed);
            }
        });
        self.get().loaded_on.store(NOWHERE, Relaxed);
        // SAFETY: as in `bytes_mut`.
        unsafe { core::slice::from_raw_parts_mut(self.get().area(), sizes().area) }
    }

    /// The save area, up to date.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.write_back();
        // SAFETY: it is not live, and becomes so only through its owner, who holds the reference.
        unsafe { core::slice::from_raw_parts(self.get().area(), sizes().area) }
    }

    /// The save area, up to date, for a change. The caller leaves it such that it can be restored.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.take_out();
        // SAFETY: as in `bytes`, and the reference is the only one.
        unsafe { core::slice::from_raw_parts_mut(self.get().area(), sizes().area) }
    }

    /// The addresses that it watches, and the control word.
    pub(crate) fn watches(&self) -> ([u64; WATCHES], u64) {
        let state = self.get();
        (
            state.watched.each_ref().map(|address| address.load(Relaxed)),
            state.watch_control.load(Relaxed),
        )
    }

    /// Watches other addresses, user addresses all of them, from the next entry into user mode on.
    pub(crate) fn set_watches(&mut self, addresses: [u64; WATCHES], control: u64) {
        // Not live any more: the way into user mode loads it, and the debug registers with it.
        self.write_back();
        let state = self.get();
        for (place, address) in state.watched.iter().zip(addresses) {
            place.store(address, Relaxed);
        }
        state.watch_control.store(control, Relaxed);
    }

    /// The base of GS.
    pub(crate) fn gs_base(&self) -> u64 {
        self.settled(|_, live| match live {
            true => rdmsr(msr::KERNEL_GS_BASE),
            false => self.get().gs_base.load(Relaxed),
        })
    }

    /// Sets the base of GS to a user address.
    pub(crate) fn set_gs_base(&mut self, base: u64) {
        self.take_out();
        self.get().gs_base.store(base, Relaxed);
    }

    /// The base of FS.
    pub(crate) fn fs_base(&self) -> u64 {
        self.settled(|_, live| match live {
            true => read_fs_base(),
            false => self.get().fs_base.load(Relaxed),
        })
    }

    /// Sets the base of FS to a user address.
    pub(crate) fn set_fs_base(&mut self, base: u64) {
        self.settled(|_, live| match live {
            true => write_fs_base(base),
            false => {
                self.get().fs_base.store(base, Relaxed);
                self.get().loaded_on.store(NOWHERE, Relaxed);
            }
        });
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.settled(|cpu, live| {
            if live {
                cpu.live_state.store(null_mut(), Relaxed);
            }
        });
        // SAFETY: it was allocated with this layout, and is not live. A CPU may still remember the
        // address, but believes it only if a state there says that it is loaded on that CPU.
        unsafe { dealloc(self.0.as_ptr().cast(), layout()) };
    }
}
