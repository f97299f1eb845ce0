//! Families of tasks on the simulated machine, over many seeds.

mod clones;
mod harness;
mod jobs;
mod kernel_threads;
mod namespaces;
mod signals;
mod stress;
mod waiting;
