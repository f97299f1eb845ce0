//! Families of tasks on the simulated machine, over many seeds.

mod cgroups;
mod clones;
mod harness;
mod jobs;
mod kernel_threads;
mod namespaces;
mod ptrace;
mod ptrace_stress;
mod signals;
mod stress;
mod waiting;
