//! The image's first function. Its last one, the panic handler, is the machine's, and leads to `kthread::oops`.

use crate::{init, parameters};

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
