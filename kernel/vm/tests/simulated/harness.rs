//! A kernel that is just enough for tasks with user memory.

use std::sync::Arc;

use contract::{Fault, PAGE_SIZE};
pub(crate) use fixture::anonymous;
pub(crate) use fixture::tasks::used;
use fixture::tasks::{self, Running};
use sched::CpuMask;
use vm::Mm;

pub(crate) const PAGE: usize = PAGE_SIZE;

/// Runs a test in a task of a fresh kernel, over some seeds. Afterwards every frame must be back.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn()) {
    fixture::over_seeds(seeds, cpus, || tasks::boot(|| (), used, test));
}

/// As [`over_seeds`], with one CPU and one seed: for what does not depend on the order of events.
pub(crate) fn once(test: fn()) {
    over_seeds(1, 1, test);
}

/// Runs `body` in a task that has the address space, and waits until the task is gone.
pub(crate) fn in_user(mm: &Arc<Mm>, body: impl FnOnce() + Send + 'static) {
    together(mm, vec![Box::new(body)]);
}

/// What a user task does.
pub(crate) type Body = Box<dyn FnOnce() + Send>;

/// Runs bodies in tasks of one address space, at the same time.
pub(crate) fn together(mm: &Arc<Mm>, bodies: Vec<Body>) {
    let tasks: Vec<_> = bodies.into_iter().map(|body| start(mm, body)).collect();
    tasks.into_iter().for_each(Running::join);
}

/// Starts a task in an address space.
pub(crate) fn start(mm: &Arc<Mm>, body: Body) -> Running {
    tasks::start(Some(mm.clone()), CpuMask::present(), body)
}

/// Stores a byte as the running task's program.
pub(crate) fn store(address: usize, byte: u8) -> Result<(), Fault> {
    machine::user::copy_to(address, &[byte])
}

/// Loads a byte as the running task's program.
pub(crate) fn load(address: usize) -> Result<u8, Fault> {
    let mut byte = [0];
    machine::user::copy_from(address, &mut byte)?;
    Ok(byte[0])
}

/// Makes CPUs let go of the address spaces that they borrow: each runs a task with the same other
/// one.
pub(crate) fn borrow_another() {
    let other = Mm::new().unwrap();
    for cpu in 0..machine::cpu::count() {
        tasks::start(Some(other.clone()), CpuMask::of(cpu), || ()).join();
    }
}
