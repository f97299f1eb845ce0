//! System calls on the simulated machine, over many seeds: what depends on who comes first.

mod futexes;
mod harness;
