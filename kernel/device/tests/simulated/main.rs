//! Devices that come and go, in a kernel on the simulated machine.

mod failures;
mod harness;
mod nodes;
mod races;
