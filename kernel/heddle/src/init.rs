//! PID 1 before it becomes the init program.

use crate::parameters;

/// Ends the kernel's start-up and becomes the init program.
pub(crate) fn kernel_init() -> i32 {
    let parameters = parameters::get();
    hotplug::bring_up_others(parameters.max_cpus.unwrap_or(usize::MAX).max(1));
    #[cfg(feature = "scenarios")]
    if let Some(filter) = &parameters.scenarios {
        run_scenarios(filter, parameters.rounds);
    }
    #[cfg(not(feature = "scenarios"))]
    if parameters.scenarios.is_some() {
        log::error!("heddle: this image was built without its scenarios (feature `scenarios`)");
        machine::power::exit(2);
    }
    machine::power::exit(0)
}

#[cfg(feature = "scenarios")]
fn run_scenarios(filter: &str, rounds: u64) -> ! {
    let filter = if filter == "all" { "" } else { filter };
    let (passed, failed) = scenarios::run_all(filter, rounds);
    log::info!("{passed} passed, {failed} failed");
    machine::power::exit(u8::from(failed != 0))
}
