//! The kernel's command line.
//!
//! Words of the form `name` or `name=value`, separated by spaces. What follows ` -- ` is for the init program. A word that nothing here
//! knows ends the boot with a clear line: a misspelt parameter that is silently ignored costs more.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use sched::CpuMask;
use sync::Once;
use watchdog::hung_task;
use watchdog::lockup::{self, Preset};

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    /// `rdinit=`: the program to execute first.
    pub(crate) rdinit: Option<String>,
    /// `init=`: the same, when there is no `rdinit=`.
    pub(crate) init: Option<String>,
    /// What follows `--`: the init program's arguments.
    pub(crate) init_arguments: Vec<String>,
    /// `maxcpus=`: how many CPUs to bring up.
    pub(crate) max_cpus: Option<usize>,
    /// `heddle.scenarios=`: run these instead of an init program; `all`, or a part of their names.
    pub(crate) scenarios: Option<String>,
    /// `heddle.rounds=`: how often each.
    pub(crate) rounds: u64,
    /// `heddle.crash=`: fail in this way instead of running an init program.
    pub(crate) crash: Option<String>,
    /// `vdso=`: programs get a vDSO.
    pub(crate) vdso: bool,
    /// `heddle.bench=`: measure these paths instead of running an init program; `all`, or a part of their names.
    pub(crate) bench: Option<String>,
}

static PARAMETERS: Once<Parameters> = Once::new();

/// The parameters, once they have been applied.
pub(crate) fn get() -> &'static Parameters {
    PARAMETERS.get().expect("the command line is read before anything asks for it")
}

/// A word that cannot be used.
enum Bad<'a> {
    Unknown(&'a str),
    Value { name: &'a str, value: &'a str, wanted: &'static str },
}

impl fmt::Display for Bad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(f, "unknown kernel parameter \"{word}\""),
            Self::Value { name, value, wanted } => {
                write!(f, "kernel parameter {name}=\"{value}\": {wanted} is wanted")
            }
        }
    }
}

/// Reads the command line and puts into force what can be by now; ends the boot if there is something wrong with it.
pub(crate) fn apply(line: &str) {
    match read(line) {
        Ok(parameters) => {
            // Applied once, by the boot CPU.
            let _ = PARAMETERS.set(parameters);
        }
        Err(bad) => {
            log::error!("heddle: {bad}");
            machine::power::exit(2);
        }
    }
}

fn read(line: &str) -> Result<Parameters, Bad<'_>> {
    let mut parameters = Parameters { rounds: 1, vdso: true, ..Parameters::default() };
    let mut words = line.split_ascii_whitespace();
    for word in words.by_ref() {
        if word == "--" {
            break;
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        set(&mut parameters, word, name, value)?;
    }
    parameters.init_arguments = words.map(String::from).collect();
    Ok(parameters)
}

fn number<'a, T: core::str::FromStr>(name: &'a str, value: &'a str) -> Result<T, Bad<'a>> {
    value.parse().map_err(|_| Bad::Value { name, value, wanted: "a number" })
}

fn set<'a>(
    parameters: &mut Parameters,
    word: &'a str,
    name: &'a str,
    value: &'a str,
) -> Result<(), Bad<'a>> {
    match name {
        "rdinit" => parameters.rdinit = Some(value.into()),
        "init" => parameters.init = Some(value.into()),
        "maxcpus" => parameters.max_cpus = Some(number(name, value)?),
        "heddle.scenarios" => parameters.scenarios = Some(value.into()),
        "heddle.crash" => parameters.crash = Some(value.into()),
        "heddle.bench" => parameters.bench = Some(value.into()),
        "heddle.rounds" => parameters.rounds = number(name, value)?,
        "vdso" => parameters.vdso = number::<u32>(name, value)? != 0,
        "tsc" if value == "unstable" => time::distrust_counter(),
        "panic" => kthread::oops::set_panic_timeout(number(name, value)?),
        "oops" if value == "panic" => kthread::oops::set_panic_on_oops(true),
        "panic_on_oops" => kthread::oops::set_panic_on_oops(value != "0"),
        "panic_on_warn" => switch(name, value, &kthread::warn::PANIC_ON_WARN)?,
        "panic_on_taint" => panic_on_taint(name, value)?,
        "trace_event" => trace_event(name, value)?,
        "trace_buf_size" => trace_buf_size(name, value)?,
        "isolcpus" => isolate(name, value)?,
        "hung_task_panic" => switch(name, value, &hung_task::PANIC)?,
        "softlockup_panic" => switch(name, value, &lockup::SOFTLOCKUP_PANIC)?,
        "softlockup_all_cpu_backtrace" => {
            switch(name, value, &lockup::SOFTLOCKUP_ALL_CPU_BACKTRACE)?;
        }
        "hardlockup_all_cpu_backtrace" => {
            switch(name, value, &lockup::HARDLOCKUP_ALL_CPU_BACKTRACE)?;
        }
        "nowatchdog" => lockup::preset(Preset { any: Some(false), ..Preset::default() }),
        "nosoftlockup" => lockup::preset(Preset { soft: Some(false), ..Preset::default() }),
        "nmi_watchdog" => nmi_watchdog(name, value)?,
        "workqueue.watchdog_thresh" => workqueue::watchdog::set_threshold(number(name, value)?),
        "workqueue.power_efficient" => workqueue::set_power_efficient(is_on(name, value)?),
        "workqueue.disable_numa" => workqueue::set_ignores_nodes(is_on(name, value)?),
        "workqueue.debug_force_rr_cpu" => workqueue::set_goes_round(is_on(name, value)?),
        "workqueue.idle_timeout" => {
            let seconds: u64 = number(name, value)?;
            workqueue::set_idle_timeout(seconds.saturating_mul(time::SECOND));
        }
        "watchdog_thresh" => {
            let threshold = Some(number(name, value)?);
            lockup::preset(Preset { threshold, ..Preset::default() });
        }
        "softdog.soft_margin" => store(name, value, &softdog::parameters::SOFT_MARGIN)?,
        "softdog.nowayout" => flag(name, value, &softdog::parameters::NOWAYOUT)?,
        "softdog.soft_noboot" => flag(name, value, &softdog::parameters::SOFT_NOBOOT)?,
        "softdog.soft_panic" => flag(name, value, &softdog::parameters::SOFT_PANIC)?,
        "softdog.soft_active_on_boot" => {
            flag(name, value, &softdog::parameters::SOFT_ACTIVE_ON_BOOT)?;
        }
        "watchdog.open_timeout" => store(name, value, &softdog::parameters::OPEN_TIMEOUT)?,
        "watchdog.handle_boot_enabled" => {
            flag(name, value, &softdog::parameters::HANDLE_BOOT_ENABLED)?;
        }
        "quiet" => {
            klog::set_console_level(4);
        }
        "debug" => {
            klog::set_debug(true);
            klog::set_console_level(7);
        }
        "loglevel" => {
            klog::set_console_level(number::<u8>(name, value)?.saturating_sub(1));
        }
        // Said by boot loaders and habit, and true in any case: there is one console, and the root is the initial file system.
        "console" | "ro" | "rw" | "root" => {}
        _ => return Err(Bad::Unknown(word)),
    }
    Ok(())
}

/// A setting that is on or off.
fn switch<'a>(name: &'a str, value: &'a str, setting: &AtomicI64) -> Result<(), Bad<'a>> {
    let on = match value {
        "0" => 0,
        "1" => 1,
        _ => return Err(Bad::Value { name, value, wanted: "0 or 1" }),
    };
    setting.store(on, Ordering::Relaxed);
    Ok(())
}

/// `trace_event=LIST`: on from now on, which is before there is a second task.
fn trace_event<'a>(name: &'a str, value: &'a str) -> Result<(), Bad<'a>> {
    let wanted = "a list of trace events such as sched,irq:softirq_entry";
    trace::set_by_names(value.split(',')).map_err(|_| Bad::Value { name, value, wanted })
}

/// `trace_buf_size=SIZE` of each CPU's ring, in bytes or with K, M or G.
fn trace_buf_size<'a>(name: &'a str, value: &'a str) -> Result<(), Bad<'a>> {
    let bad = || Bad::Value { name, value, wanted: "a size such as 512K, 4M at most" };
    let (digits, shift) = match value.as_bytes().last() {
        Some(b'K' | b'k') => (&value[..value.len() - 1], 10),
        Some(b'M' | b'm') => (&value[..value.len() - 1], 20),
        Some(b'G' | b'g') => (&value[..value.len() - 1], 30),
        _ => (value, 0),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(1 << shift));
    trace::set_ring_size(bytes.ok_or_else(bad)?).map_err(|_| bad())
}

/// A number of seconds.
fn store<'a>(name: &'a str, value: &'a str, setting: &AtomicU32) -> Result<(), Bad<'a>> {
    setting.store(number(name, value)?, Ordering::Relaxed);
    Ok(())
}

/// A parameter of a module that is on or off; without a value it is on.
fn flag<'a>(name: &'a str, value: &'a str, setting: &AtomicBool) -> Result<(), Bad<'a>> {
    setting.store(is_on(name, value)?, Ordering::Relaxed);
    Ok(())
}

/// The same, for who keeps it otherwise.
fn is_on<'a>(name: &'a str, value: &'a str) -> Result<bool, Bad<'a>> {
    let word = if value.is_empty() { "1" } else { value };
    kernfs::parse_bool(word.as_bytes()).map_err(|_| Bad::Value { name, value, wanted: "0 or 1" })
}

/// `panic_on_taint=MASK[,nousertaint]`, with the mask in hexadecimal.
fn panic_on_taint<'a>(name: &'a str, value: &'a str) -> Result<(), Bad<'a>> {
    let (mask, not_by_users) = match value.split_once(',') {
        None => (value, false),
        Some((mask, "nousertaint")) => (mask, true),
        Some((mask, _)) => (mask, false),
    };
    let digits = mask.strip_prefix("0x").unwrap_or(mask);
    match u64::from_str_radix(digits, 16) {
        Ok(bits) if taint::panic_on(bits, not_by_users) => Ok(()),
        _ => Err(Bad::Value { name, value, wanted: "a hexadecimal mask of flags" }),
    }
}

/// `nmi_watchdog=[panic|nopanic][,][0|1]`
fn nmi_watchdog<'a>(name: &'a str, value: &'a str) -> Result<(), Bad<'a>> {
    for word in value.split(',') {
        let mut hard = None;
        match word {
            "panic" => lockup::HARDLOCKUP_PANIC.store(1, Ordering::Relaxed),
            "nopanic" => lockup::HARDLOCKUP_PANIC.store(0, Ordering::Relaxed),
            "0" => hard = Some(false),
            "1" => hard = Some(true),
            _ => return Err(Bad::Value { name, value, wanted: "panic, nopanic, 0 or 1" }),
        }
        lockup::preset(Preset { hard, ..Preset::default() });
    }
    Ok(())
}

fn isolate<'a>(name: &'a str, value: &'a str) -> Result<(), Bad<'a>> {
    let wanted = "a list of CPUs that leaves one out, such as 1-3";
    let isolated = CpuMask::parse(value).ok_or(Bad::Value { name, value, wanted })?;
    if sched::set_housekeeping(CpuMask::ALL.minus(isolated)) {
        Ok(())
    } else {
        Err(Bad::Value { name, value, wanted })
    }
}
