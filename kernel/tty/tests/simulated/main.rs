//! Terminals, used by processes of a kernel on the simulated machine.

mod control;
mod harness;
mod jobs;
mod transfer;
