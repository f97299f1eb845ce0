//! PID 1 before it becomes the init program.

use alloc::string::String;
use alloc::vec::Vec;

use errno::{Errno, Result};

use crate::{parameters, root};

/// Where an init program is looked for.
const PROGRAMS: [&str; 5] = ["/init", "/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// What the first program finds in its environment.
const ENVIRONMENT: [&[u8]; 3] = [b"HOME=/", b"TERM=linux", b"PATH=/sbin:/usr/sbin:/bin:/usr/bin"];

/// Less memory than this is not enough for the kernel, an initial file system and a shell.
const LEAST_MEMORY: usize = 12 << 20;

/// Ends the kernel's start-up and becomes the init program.
pub(crate) fn kernel_init() -> i32 {
    let parameters = parameters::get();
    require_memory();
    hotplug::bring_up_others(parameters.max_cpus.unwrap_or(usize::MAX).max(1));
    built_in_work(parameters);
    let context = match subsystems().and_then(|()| root::make()) {
        Ok(context) => context,
        Err(error) => kthread::oops::panic(format_args!("the kernel cannot start: {error}")),
    };
    root::open_console(&context);
    drop(context);
    run_init_program(parameters)
}

fn require_memory() {
    let has = memory::total_bytes();
    if has < LEAST_MEMORY {
        log::error!(
            "heddle: not enough memory: the kernel needs {} MiB beyond its image, and has {} MiB",
            LEAST_MEMORY >> 20,
            has >> 20
        );
        machine::power::exit(2);
    }
}

/// The watchers, and what user programs find: file systems, devices, terminals, system calls.
fn subsystems() -> Result<()> {
    watchdog::init()?;
    workqueue::watchdog::start();
    fs::init()?;
    device::init()?;
    kmsg::init()?;
    tty::init()?;
    sysrq::init();
    procfs::init()?;
    sysfs::init()?;
    tracefs::init()?;
    cgroupfs::init()?;
    ipc::posix::init()?;
    softdog::init()?;
    #[cfg(feature = "scenarios")]
    crate::crash::register()?;
    crate::vdso::install()?;
    syscall::init();
    procfs::set_timers(syscall::show_timers)?;
    start::set_user_fault(syscall::user_fault);
    start::set_console_input(tty::input_interrupt);
    Ok(())
}

/// Runs scenarios or benchmarks, if the command line asks for them, and ends the machine.
fn built_in_work(parameters: &parameters::Parameters) {
    if let Some(filter) = &parameters.scenarios {
        run_scenarios(part_of_name(filter), parameters.rounds);
    }
    if let Some(way) = &parameters.crash {
        crash(way);
    }
    if let Some(filter) = &parameters.bench {
        run_benchmarks(part_of_name(filter));
    }
}

fn part_of_name(filter: &str) -> &str {
    if filter == "all" { "" } else { filter }
}

#[cfg(feature = "scenarios")]
fn run_scenarios(filter: &str, rounds: u64) -> ! {
    kthread::oops::add_taint(taint::Flag::Test);
    let (passed, failed) = scenarios::run_all(filter, rounds);
    log::info!("{passed} passed, {failed} failed");
    machine::power::exit(u8::from(failed != 0))
}

#[cfg(not(feature = "scenarios"))]
fn run_scenarios(_filter: &str, _rounds: u64) -> ! {
    not_built_in("scenarios")
}

#[cfg(feature = "scenarios")]
fn crash(way: &str) {
    crate::crash::run(way);
}

#[cfg(not(feature = "scenarios"))]
fn crash(_way: &str) {
    not_built_in("scenarios")
}

#[cfg(feature = "benchmarks")]
fn run_benchmarks(filter: &str) -> ! {
    benchmarks::run(filter);
    machine::power::exit(0)
}

#[cfg(not(feature = "benchmarks"))]
fn run_benchmarks(_filter: &str) -> ! {
    not_built_in("benchmarks")
}

#[cfg(not(all(feature = "scenarios", feature = "benchmarks")))]
fn not_built_in(feature: &str) -> ! {
    log::error!("heddle: this image was built without its {feature} (feature `{feature}`)");
    machine::power::exit(2)
}

/// Executes the first program that there is, and returns its exit code, which nobody survives to see.
fn run_init_program(parameters: &parameters::Parameters) -> i32 {
    if let Some(wanted) = parameters.rdinit.as_ref().or(parameters.init.as_ref()) {
        match execute(wanted, &parameters.init_arguments) {
            Ok(code) => return code,
            Err(error) => {
                kthread::oops::panic(format_args!("Requested init {wanted} failed: {error}"))
            }
        }
    }
    for program in PROGRAMS {
        match execute(program, &parameters.init_arguments) {
            Ok(code) => return code,
            Err(Errno::ENOENT) => {}
            Err(error) => {
                log::error!("Starting init: {program} exists but couldn't be executed: {error}")
            }
        }
    }
    kthread::oops::panic(format_args!(
        "No working init found: none of /init, /sbin/init, /etc/init, /bin/init, /bin/sh runs"
    ))
}

fn execute(program: &str, arguments: &[String]) -> Result<i32> {
    let mut all: Vec<&[u8]> = Vec::with_capacity(1 + arguments.len());
    all.push(program.as_bytes());
    all.extend(arguments.iter().map(String::as_bytes));
    log::info!("Run {program} as init process");
    syscall::run_program(program.as_bytes(), all, ENVIRONMENT).map(|code| code as i32)
}
