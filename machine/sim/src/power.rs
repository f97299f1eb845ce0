//! The ends of a run that the contract knows.

/// The run has passed.
pub fn off() -> ! {
    crate::sim::pass()
}

/// No kernel resets itself in a run that passes, unless the test means it to.
pub fn reset() -> ! {
    match crate::machine::here().hooks.reset.get() {
        Some(look) => {
            look();
            crate::sim::pass()
        }
        None => crate::sim::fail("the kernel reset the machine"),
    }
}

/// 0: the run has passed. Anything else: it has failed.
pub fn exit(status: u8) -> ! {
    match status {
        0 => crate::sim::pass(),
        _ => crate::sim::fail(&format!("the kernel ended the run with status {status}")),
    }
}
