//! Faults on purpose: named places in the kernel that can be told to fail.
//!
//! Every path that can run out of something asks [`should_fail`] first, naming its [`Point`]. While
//! nobody has armed a [`Plan`] the question costs a load and a branch. Tests arm one, run the code
//! under test, disarm it, and check that the error reached the right caller and nothing was left
//! behind. To make "every allocation fail in turn", arm [`When::Nth`] with 1, 2, 3 … until a run
//! ends without a fault ([`Report::failed`] is 0).
//!
//! There is one plan at a time, in a few atomics: a point may lie in an interrupt or below any
//! lock, so asking takes no lock and never waits. With the simulated machine deciding the order of
//! events, the same seed fails the same call in every run.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod plan;
mod point;

pub use plan::{Plan, Report, When, arm, disarm, hits, should_fail};
pub use point::Point;
