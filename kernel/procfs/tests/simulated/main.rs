//! `/proc`, read by processes of a kernel on the simulated machine.

mod harness;
mod processes;
mod system;
