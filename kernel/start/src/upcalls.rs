//! What the machine calls in the kernel.

use machine::{Access, Upcalls};
use sync::Once;
use trace::{IRQ_HANDLER_ENTRY, IRQ_HANDLER_EXIT, IrqHandlerEntry, IrqHandlerExit, Name};

/// Resolves faults on user addresses; without one, every such fault is an error.
static USER_FAULT: Once<fn(usize, Access) -> bool> = Once::new();
/// Takes console input.
static CONSOLE_INPUT: Once<fn()> = Once::new();

pub(crate) static UPCALLS: Upcalls = Upcalls {
    timer: time::interrupt,
    reschedule: sched::reschedule_interrupt,
    call_function,
    console_input,
    interrupt_exit: sched::interrupt_exit,
    user_fault,
    allocate_frame: memory::allocate_frame,
    free_frame: memory::free_frame,
    free_zeroed_frame: memory::free_zeroed_frame,
    oops: kthread::oops::oops,
    nmi: kthread::backtrace::nmi,
};

fn call_function() {
    kthread::oops::stop_if_panicking();
    watchdog::lockup::call_function();
}

/// Says who resolves faults on user addresses. Once.
pub fn set_user_fault(resolve: fn(usize, Access) -> bool) {
    // There is one virtual-memory subsystem; a second call would be it again.
    let _ = USER_FAULT.set(resolve);
}

/// Says who takes console input, in the interrupt. Once.
pub fn set_console_input(take: fn()) {
    // There is one console driver.
    let _ = CONSOLE_INPUT.set(take);
}

fn user_fault(address: usize, access: Access) -> bool {
    USER_FAULT.get().is_some_and(|resolve| resolve(address, access))
}

/// The console's line, as a PC has it.
const CONSOLE_IRQ: i32 = 4;

fn console_input() {
    if let Some(take) = CONSOLE_INPUT.get() {
        let name = || Name::new(b"ttyS0");
        IRQ_HANDLER_ENTRY.record(|| IrqHandlerEntry { irq: CONSOLE_IRQ, name: name() });
        take();
        IRQ_HANDLER_EXIT.record(|| IrqHandlerExit { irq: CONSOLE_IRQ, ret: 1 });
    }
}
