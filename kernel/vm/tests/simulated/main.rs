//! Address spaces on the simulated machine: page tables, TLBs and faults are the machine's,
//! interleavings its seed's.

mod basics;
mod copies;
mod files;
mod harness;
mod large;
mod races;
