//! The software watchdog, used by programs of a kernel on the simulated machine.

mod bindings;
mod ends;
mod harness;
mod programs;
