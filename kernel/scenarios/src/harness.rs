//! Boots a kernel for a scenario, runs it, and looks at what is left.

use alloc::boxed::Box;
use core::fmt;

use kthread::{Builder, Exit};

use crate::Scenario;
use crate::census::Census;

/// Why a scenario failed.
enum Failure {
    Panicked,
    NotStarted(errno::Errno),
    Oopses { expected: u64, seen: u64 },
    LeftOver { before: Box<Census>, after: Box<Census> },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked => f.write_str("it panicked"),
            Self::NotStarted(error) => write!(f, "its thread could not be made: {error}"),
            Self::Oopses { expected, seen } => {
                write!(f, "{seen} kernel oopses where {expected} were meant")
            }
            Self::LeftOver { before, after } => {
                write!(f, "something is left over: {before} before, {after} after")
            }
        }
    }
}

fn run_one(scenario: &'static Scenario) -> Result<(), Failure> {
    let before = Census::settled();
    let oopses = taint::OOPSES.count();
    crate::tools::expect_oopses(0);
    let thread = Builder::new(format_args!("scenario"))
        .run(|_| {
            (scenario.run)();
            0
        })
        .map_err(Failure::NotStarted)?;
    if thread.join() != Exit::Returned(0) {
        return Err(Failure::Panicked);
    }
    let seen = taint::OOPSES.count() - oopses;
    let expected = crate::tools::expected_oopses();
    if seen != expected {
        return Err(Failure::Oopses { expected, seen });
    }
    before
        .wait_for_return()
        .map_err(|after| Failure::LeftOver { before: Box::new(before), after: Box::new(after) })
}

/// Resolves faults on user addresses in the memory that the running thread has taken on.
fn resolve_user_fault(address: usize, access: machine::Access) -> bool {
    let me = sched::current();
    let mm = process::Thread::try_of(&me).and_then(process::Thread::mm);
    mm.is_some_and(|mm| mm.handle_fault(address, access).is_ok())
}

/// Runs all scenarios whose name contains `filter`, so many times each, in the kernel that runs, and writes a line for each to the log. From a task that
/// may sleep. Returns how many passed and how many failed.
pub fn run_all(filter: &str, rounds: u64) -> (usize, usize) {
    start::set_user_fault(resolve_user_fault);
    let (mut passed, mut failed) = (0, 0);
    for scenario in crate::all().iter().filter(|scenario| scenario.name.contains(filter)) {
        // In case it is the last line.
        log::info!("scenario {}", scenario.name);
        let outcome = (0..rounds.max(1)).try_for_each(|_| run_one(scenario));
        match outcome {
            Ok(()) => {
                passed += 1;
                log::info!("test {} ... ok", scenario.name);
            }
            Err(failure) => {
                failed += 1;
                log::info!("test {} ... FAILED: {failure}", scenario.name);
            }
        }
    }
    (passed, failed)
}

#[cfg(target_os = "none")]
mod on_this_machine {
    use crate::Scenario;

    /// Boots a kernel on this machine and runs one scenario in it; ends the machine.
    pub fn boot_and_run(scenario: &'static Scenario) {
        // The image boots by itself and calls `run_all`.
        let outcome = super::run_one(scenario);
        machine::power::exit(u8::from(outcome.is_err()))
    }
}

#[cfg(not(target_os = "none"))]
mod on_this_machine {
    use core::fmt::Write;

    use machine::sim;
    use sync::Once;

    use crate::Scenario;

    static SCENARIO: Once<&'static Scenario> = Once::new();

    /// Boots a kernel on this machine and runs one scenario in it; ends the run.
    pub fn boot_and_run(scenario: &'static Scenario) {
        let fresh = SCENARIO.set(scenario).is_ok();
        assert!(fresh, "one scenario a kernel");
        sim::set_reporter(list_tasks);
        sim::set_task_number(|| sched::current().pid().into());
        kthread::oops::set_final_hook(crate::tools::panicked);
        if sim::is_recorded() {
            trace::tap(|entry| sim::record(&format_args!("{entry:#}")));
        }
        start::early();
        start::rest_init(init)
    }

    fn init() -> i32 {
        start::set_user_fault(super::resolve_user_fault);
        hotplug::bring_up_others(usize::MAX);
        let scenario = SCENARIO.get().expect("set before the start");
        match super::run_one(scenario) {
            Ok(()) => sim::pass(),
            Err(failure) => sim::fail(&alloc::format!("{failure}")),
        }
    }

    fn list_tasks(out: &mut dyn Write) {
        process::for_each_task(|task| {
            // A report that cannot be written has no reader.
            let _ = writeln!(
                out,
                "  {task:?} state {:#x} CPU {} queued {}",
                task.state(),
                task.cpu(),
                task.is_queued()
            );
        });
    }
}

pub use on_this_machine::boot_and_run;
