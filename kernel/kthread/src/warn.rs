//! Warnings: kernel code finds something that should not be, says so with a backtrace, and goes on. The kernel is tainted from then on.
//!
//! ```text
//!   ------------[ cut here ]------------
//!   WARNING: CPU: 0 PID: 51 at kernel/workqueue/src/queue.rs:206 queue::takes_although+0x7e/0xa0
//!   workqueue: events is drained and takes no work
//!   Modules linked in:
//!   CPU: 0 PID: 51 Comm: sh Not tainted 6.1.0-heddle #1
//!   Call Trace:
//!    <TASK>
//!    ...
//!    </TASK>
//!   ---[ end trace 0000000000000000 ]---
//! ```

use core::fmt;
use core::panic::Location;
use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use taint::Flag;

use crate::{backtrace, oops};

/// `panic_on_warn`: 1: a warning is the kernel's end.
pub static PANIC_ON_WARN: AtomicI64 = AtomicI64::new(0);

/// Writes a warning, with what it is about (or nothing), from the place of the caller. Any context but a non-maskable interrupt.
/// Does not return if `panic_on_warn`, `kernel.warn_limit` or `panic_on_taint=` has it so.
#[track_caller]
#[inline(never)]
pub fn warn(about: fmt::Arguments<'_>) {
    let frame_pointer = machine::backtrace::frame_pointer();
    let place = Location::caller();
    log::warn!("------------[ cut here ]------------");
    log::warn!(
        "WARNING: CPU: {} PID: {} at {}:{} {}",
        machine::cpu::id(),
        sched::current().pid(),
        place.file(),
        place.line(),
        Caller(backtrace::caller(frame_pointer))
    );
    // Nothing to say is no line.
    log::warn!("{about}");
    backtrace::print_modules();
    backtrace::print_running(frame_pointer);
    if PANIC_ON_WARN.load(Relaxed) != 0 {
        oops::panic(format_args!("kernel: panic_on_warn set ..."));
    }
    if let Some(limit) = taint::WARNINGS.add() {
        oops::panic(format_args!("kernel: system warned too often (kernel.warn_limit is {limit})"));
    }
    log::warn!("---[ end trace 0000000000000000 ]---");
    // What the report says had been wrong before.
    oops::add_taint(Flag::Warning);
}

/// Writes a warning ([`warn()`]) the first time that this place is reached.
#[macro_export]
macro_rules! warn_once {
    ($($about:tt)*) => {{
        static WARNED: ::core::sync::atomic::AtomicBool = ::core::sync::atomic::AtomicBool::new(false);
        if !WARNED.swap(true, ::core::sync::atomic::Ordering::Relaxed) {
            $crate::warn::warn(::core::format_args!($($about)*));
        }
    }};
}

/// The function that a return address leads to, and where in it; the address, if the image does not name it.
struct Caller(usize);

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match backtrace::symbol_at(self.0) {
            Some(symbol) => write!(f, "{}+{:#x}/{:#x}", symbol.name, symbol.offset, symbol.size),
            None => write!(f, "{:#x}", self.0),
        }
    }
}
