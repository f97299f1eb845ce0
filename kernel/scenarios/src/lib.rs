//! Scenarios: whole stories of the kernel's threads, told once and run on every machine.
#![no_std]
#![forbid(unsafe_code)]

/// A story with a name.
#[derive(Debug)]
pub struct Scenario {
    /// Starts with the requirement's number: `k05_stop_returns_the_result`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// The story. Runs in a kernel thread; a panic is a failure.
    pub run: fn(),
}

/// All scenarios, in order.
pub fn all() -> &'static [Scenario] {
    &[]
}

/// Boots a kernel on this machine and runs the scenario in it.
pub fn boot_and_run(scenario: &'static Scenario) {
    (scenario.run)();
}
