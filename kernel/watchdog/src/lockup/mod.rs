//! Lockups: the settings, the start and the end of the watch. The watch itself is in `cpu`, what it looks for in `soft` and `hard`.

mod cpu;
mod hard;
mod soft;

use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use errno::Result;
use kthread::smpboot;
use sched::{CpuMask, Mutex};
use sync::LockClass;

/// Outermost: one change of the settings at a time. True while the threads are there.
static CONFIGURATION_LOCK: LockClass = LockClass::new("lockup_detector");
static RUNNING: Mutex<bool> = Mutex::new(&CONFIGURATION_LOCK, false);

/// `softlockup_panic`, `hardlockup_panic`: a lockup is the kernel's end.
pub static SOFTLOCKUP_PANIC: AtomicI64 = AtomicI64::new(0);
/// See [`SOFTLOCKUP_PANIC`].
pub static HARDLOCKUP_PANIC: AtomicI64 = AtomicI64::new(0);
/// `softlockup_all_cpu_backtrace`, `hardlockup_all_cpu_backtrace`: a report shows what each CPU does.
pub static SOFTLOCKUP_ALL_CPU_BACKTRACE: AtomicI64 = AtomicI64::new(0);
/// See [`SOFTLOCKUP_ALL_CPU_BACKTRACE`].
pub static HARDLOCKUP_ALL_CPU_BACKTRACE: AtomicI64 = AtomicI64::new(0);

/// The log level of what says that a CPU is stuck.
const EMERGENCY: u8 = 0;

/// The longest `watchdog_thresh`, in seconds.
pub const MAX_THRESHOLD: i64 = 60;

/// Which of the two watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// For CPUs that do not switch tasks.
    Soft,
    /// For CPUs that take no interrupts.
    Hard,
}

/// What was asked for: `watchdog`, `soft_watchdog`, `nmi_watchdog`.
static ANY_WANTED: AtomicBool = AtomicBool::new(true);
static SOFT_WANTED: AtomicBool = AtomicBool::new(true);
static HARD_WANTED: AtomicBool = AtomicBool::new(true);
/// `watchdog_thresh`: seconds without an interrupt that are a hard lockup; twice as many without a switch are a soft one.
/// 0: no watch.
static THRESHOLD: AtomicI64 = AtomicI64::new(10);
/// `watchdog_cpumask`: the CPUs that are watched.
static CPUS: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whether a watch is in force (`soft_watchdog`, `nmi_watchdog` as they are read).
pub fn is_enabled(watch: Watch) -> bool {
    let wanted = match watch {
        Watch::Soft => &SOFT_WANTED,
        Watch::Hard => &HARD_WANTED,
    };
    ANY_WANTED.load(Relaxed) && wanted.load(Relaxed)
}

/// Whether any watch is in force (`watchdog` as it is read).
pub fn is_any_enabled() -> bool {
    is_enabled(Watch::Soft) || is_enabled(Watch::Hard)
}

/// The seconds of `watchdog_thresh`.
pub fn threshold() -> i64 {
    THRESHOLD.load(Relaxed)
}

/// The CPUs that are watched (`watchdog_cpumask`).
pub fn cpus() -> CpuMask {
    CpuMask::from_bits(CPUS.load(Relaxed)).and(CpuMask::present())
}

/// The settings before there are threads: from the command line. `None` leaves a setting as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preset {
    /// `nowatchdog`: neither watch.
    pub any: Option<bool>,
    /// `nosoftlockup`.
    pub soft: Option<bool>,
    /// `nmi_watchdog=`.
    pub hard: Option<bool>,
    /// `watchdog_thresh=`, at most [`MAX_THRESHOLD`].
    pub threshold: Option<i64>,
}

/// Says what [`start`] is to start with.
pub fn preset(preset: Preset) {
    let Preset { any, soft, hard, threshold } = preset;
    for (wanted, value) in [(&ANY_WANTED, any), (&SOFT_WANTED, soft), (&HARD_WANTED, hard)] {
        if let Some(value) = value {
            wanted.store(value, Relaxed);
        }
    }
    if let Some(seconds) = threshold {
        THRESHOLD.store(seconds.clamp(0, MAX_THRESHOLD), Relaxed);
    }
}

/// Turns both watches on or off (`watchdog`). May sleep.
///
/// # Errors
/// As [`start`]; the setting holds all the same.
pub fn set_any(on: bool) -> Result<()> {
    change(|| ANY_WANTED.store(on, Relaxed))
}

/// Turns one watch on or off (`soft_watchdog`, `nmi_watchdog`). May sleep.
///
/// # Errors
/// As [`set_any`].
pub fn set(watch: Watch, on: bool) -> Result<()> {
    change(|| match watch {
        Watch::Soft => SOFT_WANTED.store(on, Relaxed),
        Watch::Hard => HARD_WANTED.store(on, Relaxed),
    })
}

/// Sets [`threshold`]; what has gone by counts anew. May sleep.
///
/// # Errors
/// As [`set_any`].
pub fn set_threshold(seconds: i64) -> Result<()> {
    change(|| THRESHOLD.store(seconds.clamp(0, MAX_THRESHOLD), Relaxed))
}

/// Sets [`cpus`]. May sleep.
///
/// # Errors
/// As [`set_any`].
pub fn set_cpus(mask: CpuMask) -> Result<()> {
    change(|| CPUS.store(mask.bits(), Relaxed))
}

/// Starts the watch, if one is wanted. May sleep.
///
/// # Errors
/// As [`kthread::Builder::create`].
pub fn start() -> Result<()> {
    sched::watch::set_leave_idle_hook(cpu::begin_work);
    change(|| {})
}

/// Part of `Upcalls::call_function`: another CPU may have asked this one to watch it.
pub fn call_function() {
    cpu::answer_summons();
}

/// Ends the watch, whatever is wanted. May sleep.
pub fn stop() {
    let mut running = RUNNING.lock();
    if core::mem::take(&mut *running) {
        end();
    }
}

fn end() {
    smpboot::unregister(&cpu::THREADS);
    cpu::forget_threads();
}

/// Changes settings and puts them in force.
fn change(set: impl FnOnce()) -> Result<()> {
    let mut running = RUNNING.lock();
    set();
    let wanted = is_any_enabled() && threshold() != 0;
    match (*running, wanted) {
        (false, true) => {
            smpboot::register(&cpu::THREADS)?;
            *running = true;
        }
        (true, false) => {
            end();
            *running = false;
        }
        (true, true) => cpu::restart_all(),
        (false, false) => {}
    }
    Ok(())
}
