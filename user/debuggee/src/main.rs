//! A small program for a debugger to look into: calls that lie deep, a place in memory that changes, a thread.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// What a debugger watches.
static TOTAL: AtomicU64 = AtomicU64::new(0);

fn main() {
    let result = thread::spawn(|| outer(2)).join().unwrap();
    println!("the result is {result}");
}

/// Calls itself for a while.
fn outer(depth: u64) -> u64 {
    if depth == 0 { inner(20) } else { outer(depth - 1) + 1 }
}

/// Changes the total twice.
fn inner(value: u64) -> u64 {
    TOTAL.store(value, Relaxed);
    TOTAL.store(value * 2, Relaxed);
    TOTAL.load(Relaxed)
}
