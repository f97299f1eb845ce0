//! The simulated machine: several CPUs inside one host process, deterministic.
//!
//! # How a run goes
//!
//! [`sim::run`] forks, so that every run starts with a kernel whose statics have never been
//! touched. The child builds one `Machine`, becomes virtual CPU 0, and calls the entry point it was
//! given on a boot stack. All virtual CPUs share the child's only thread: each has a stack pointer,
//! and going from one CPU to another is a change of stacks, as going from one kernel context to
//! another is.
//!
//! ```text
//!    kernel code ── a point ──►  schedule::decide ──┬─► go on
//!    (lock, irq on, spin,          asks the seed    ├─► deliver a pending interrupt here
//!     halt, switch, send)                           └─► another CPU goes on; this one waits its turn
//! ```
//!
//! Code between two points runs undisturbed. Everything that may differ between two runs (which CPU
//! is next, when an interrupt is taken, how late a timer is, what the clock shows) comes out of one
//! seeded generator, so a seed is a run. Different seeds use different strategies: a race that
//! needs long quiet stretches and one that needs a switch at every step are both found.
//!
//! # How a run ends
//!
//! By [`sim::pass`] or [`sim::fail`] (or [`power`]), or because the machine saw what no kernel
//! should do: all CPUs halted with nothing to wake them, spinning for ever, a panic before the
//! kernel could take one, a frame freed that a CPU's TLB can still reach. The verdict, the end of
//! the event trace and of the console go to the parent by a pipe.
//!
//! # Outside of a run
//!
//! Unit tests of kernel crates call the machine with no run around them. There each host thread has
//! a machine of its own: one CPU, no interrupts, the host's clock.

#[cfg(panic = "abort")]
compile_error!(
    "the simulated machine lets kernel threads die alone, which needs panic = \"unwind\""
);

pub mod backtrace;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod entropy;
pub mod irq;
pub mod memory;
pub mod power;
pub mod sim;
pub mod thread;
pub mod time;
pub mod user;

mod arch;
mod crash;
mod farm;
mod machine;
mod outcome;
mod random;
mod report;
mod run;
mod schedule;
mod strategy;
mod trace;
