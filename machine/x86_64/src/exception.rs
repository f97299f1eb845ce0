//! Exceptions in kernel mode: faults in user copies are mended, everything else is an oops.

use crate::interrupt::Frame;
use crate::layout::USER_END;
use crate::percpu::{self, count};
use crate::registers::{RFLAGS_IF, cr2, set_dr};
use crate::user::copy::fixup;
use crate::{boot, cpu, irq, stack};
use contract::preempt::{NMI_UNIT, NO_RESCHED};
use contract::{Access, Oops, OopsKind};
use core::sync::atomic::Ordering::Relaxed;

pub(crate) const DEBUG: u64 = 1;
pub(crate) const NMI: u64 = 2;
pub(crate) const DOUBLE_FAULT: u64 = 8;
pub(crate) const GENERAL_PROTECTION: u64 = 13;
pub(crate) const PAGE_FAULT: u64 = 14;

/// What a page fault's error code says about the access, and whether a page was there.
pub(crate) fn page_fault_code(code: u64) -> (Access, bool) {
    let access = match code {
        _ if code & 1 << 4 != 0 => Access::Execute,
        _ if code & 1 << 1 != 0 => Access::Write,
        _ => Access::Read,
    };
    (access, code & 1 != 0)
}

/// An exception in kernel mode, on the stack of the code that raised it. Interrupts are off.
pub(crate) extern "C" fn in_kernel(frame: &mut Frame) {
    if frame.vector == PAGE_FAULT {
        let address = cr2() as usize;
        let (access, _) = page_fault_code(frame.code);
        if let Some(resume) = fixup(frame.rip) {
            if !(address < USER_END && may_sleep(frame) && bring_in(address, access)) {
                frame.rip = resume;
            }
            return;
        }
        let kind = match stack::is_guard(address) {
            true => OopsKind::StackOverflow { address },
            false => OopsKind::PageFault { address, access },
        };
        oops(frame, kind);
    }
    if frame.vector == GENERAL_PROTECTION
        && let Some(resume) = fixup(frame.rip)
    {
        frame.rip = resume;
        return;
    }
    oops(frame, OopsKind::Exception { vector: frame.vector as u8, code: frame.code })
}

/// Whether the interrupted code allowed preemption and interrupts.
fn may_sleep(frame: &Frame) -> bool {
    frame.rflags & RFLAGS_IF != 0 && cpu::preempt_count() & !NO_RESCHED == 0
}

/// Asks the kernel for the page.
fn bring_in(address: usize, access: Access) -> bool {
    irq::enable();
    let there = (boot::upcalls().user_fault)(address, access);
    irq::disable();
    there
}

/// Double fault, NMI, machine check or debug exception, each on its own stack.
pub(crate) extern "C" fn on_own_stack(frame: &mut Frame) {
    match frame.vector {
        NMI => {
            cpu::preempt_add(NMI_UNIT);
            count(&percpu::this().counts.nmi);
            // A CPU that has just been started may be asked before it has taken its first step in the kernel.
            if percpu::this().running.load(Relaxed) {
                (boot::upcalls().nmi)(&frame.for_report());
            }
            cpu::preempt_sub(NMI_UNIT);
        }
        // The kernel touched an address that a program watches. Only the program's own accesses count.
        DEBUG => set_dr::<6>(0),
        DOUBLE_FAULT if stack::is_guard(cr2() as usize) => {
            oops(frame, OopsKind::StackOverflow { address: cr2() as usize })
        }
        other => oops(frame, OopsKind::Exception { vector: other as u8, code: frame.code }),
    }
}

fn oops(frame: &Frame, kind: OopsKind) -> ! {
    (boot::upcalls().oops)(&Oops {
        kind,
        message: &"",
        interrupts_on: frame.rflags & RFLAGS_IF != 0,
        registers: Some(&frame.for_report()),
        frame_pointer: frame.frame_pointer(),
    })
}

/// Rust code panicked.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let interrupts_on = irq::disable();
    (boot::upcalls().oops)(&Oops {
        kind: OopsKind::Panic,
        message: info,
        interrupts_on,
        registers: None,
        frame_pointer: crate::backtrace::frame_pointer(),
    })
}
