//! What kernel code takes from `core`, `alloc` and the machine, made of [loom]'s parts.
//!
//! A crate that names this one `core`, `alloc` and `machine` can compile a source file of the kernel as it stands, and run it in a [`model`]:
//! loom then goes through the interleavings of its threads, and through what each load may see by the memory model. Loom knows every
//! order weaker than sequential consistency, and fences of every order. A sequentially consistent *access* is no more to it than an
//! acquiring and releasing one; what rests on the single order of such accesses cannot be shown here.
//!
//! An atomic comes to exist for loom at its first use in an execution, so that its constructor is as constant as the kernel's. So
//! whoever builds a shared structure uses each of its atomics once before it starts a thread; loom complains of one that does not.

mod arc;
pub mod cell;
pub mod cpu;
mod execution;
pub mod hint;
pub mod irq;
pub mod sync;

pub use execution::{model, model_with_switches};
pub use loom::{thread, thread_local};
pub use std::{any, fmt, iter, marker, mem, ops, ptr};
