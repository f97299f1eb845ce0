//! Hints to the processor.

/// A place where a thread waits for another one: those go first.
pub fn spin_loop() {
    loom::thread::yield_now();
}
