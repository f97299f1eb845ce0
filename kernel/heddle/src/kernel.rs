//! The first and the last functions of the image.

use core::panic::PanicInfo;

use machine::{Oops, OopsKind};

use crate::{init, parameters};

#[global_allocator]
static HEAP: memory::KernelHeap = memory::KernelHeap;

/// The boot CPU's first function in the kernel proper: interrupts off, the machine set up.
#[expect(unsafe_code, reason = "the machine calls this symbol by name")]
// SAFETY: no other crate defines `start_kernel`; the machine declares it with this signature.
#[unsafe(no_mangle)]
fn start_kernel() -> ! {
    start::early();
    log::info!("Heddle {} ({} CPUs)", env!("CARGO_PKG_VERSION"), machine::cpu::count());
    log::info!("Command line: {}", machine::boot::command_line());
    parameters::apply(machine::boot::command_line());
    start::rest_init(init::kernel_init)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = machine::irq::disable();
    kthread::oops::oops(&Oops {
        kind: OopsKind::Panic,
        message: info,
        instruction: 0,
        frame_pointer: machine::backtrace::frame_pointer(),
    })
}
