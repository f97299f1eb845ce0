//! The CPU.

/// A place where a thread waits for another one: those go first.
pub fn relax() {
    loom::thread::yield_now();
}
