//! Queues and shared memory among processes on the simulated machine, over many seeds.

mod harness;
mod messages;
mod posix;
mod segments;
