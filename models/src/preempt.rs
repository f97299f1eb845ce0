//! Preemption: each thread of a model has a CPU of its own.

/// Preemption off.
#[derive(Default)]
#[must_use = "preemption goes on again when the guard is dropped"]
pub struct PreemptGuard;

impl PreemptGuard {
    /// Turns it off.
    pub const fn new() -> Self {
        Self
    }
}

/// States that the caller may sleep.
pub const fn might_sleep() {}
