//! The keys, in Linux's words, and what is done.

use process::{SigInfo, Signal, signal_process};
use sched::{Attributes, Policy, TaskFlags};
use sync::Once;
use workqueue::{Running, Work, WorkItem};

use crate::{memory_use, states};

/// A key, or several that do the same.
pub(crate) struct Key {
    pub(crate) presses: &'static [u8],
    /// Its bits in `kernel.sysrq`.
    pub(crate) mask: i64,
    pub(crate) help: &'static str,
    /// What is said before it is done.
    pub(crate) says: &'static str,
    pub(crate) act: fn(u8),
}

const LOG_LEVEL: i64 = 2;
/// Whatever shows something.
const DUMP: i64 = 8;
const SYNC: i64 = 16;
const SIGNAL: i64 = 64;
const BOOT: i64 = 128;
const REAL_TIME: i64 = 256;

/// In the order of the keys.
pub(crate) const KEYS: &[Key] = &[
    Key {
        presses: b"0123456789",
        mask: LOG_LEVEL,
        help: "loglevel(0-9)",
        says: "Changing Loglevel",
        act: set_log_level,
    },
    Key {
        presses: b"b",
        mask: BOOT,
        help: "reboot(b)",
        says: "Resetting",
        act: |_| {
            log::info!("reboot: machine restart");
            machine::power::reset()
        },
    },
    Key {
        presses: b"c",
        mask: DUMP,
        help: "crash(c)",
        says: "Trigger a crash",
        act: |_| kthread::oops::panic(format_args!("sysrq triggered crash")),
    },
    Key {
        presses: b"e",
        mask: SIGNAL,
        help: "terminate-all-tasks(e)",
        says: "Terminate All Tasks",
        act: |_| signal_all(Signal::SIGTERM),
    },
    Key {
        presses: b"i",
        mask: SIGNAL,
        help: "kill-all-tasks(i)",
        says: "Kill All Tasks",
        act: |_| signal_all(Signal::SIGKILL),
    },
    Key {
        presses: b"l",
        mask: DUMP,
        help: "show-backtrace-all-active-cpus(l)",
        says: "Show backtrace of all active CPUs",
        act: |_| states::show_cpus(),
    },
    Key {
        presses: b"m",
        mask: DUMP,
        help: "show-memory-usage(m)",
        says: "Show Memory",
        act: |_| memory_use::show(),
    },
    Key {
        presses: b"n",
        mask: REAL_TIME,
        help: "nice-all-RT-tasks(n)",
        says: "Nice All RT Tasks",
        act: |_| nice_later(),
    },
    Key {
        presses: b"o",
        mask: BOOT,
        help: "poweroff(o)",
        says: "Power Off",
        act: |_| {
            log::info!("reboot: power down");
            machine::power::off()
        },
    },
    Key {
        presses: b"q",
        mask: DUMP,
        help: "show-all-timers(q)",
        says: "Show clockevent devices & pending hrtimers (no others)",
        act: |_| states::show_timers(),
    },
    Key {
        presses: b"s",
        mask: SYNC,
        help: "sync(s)",
        says: "Emergency Sync",
        // Files live in memory: what is written is where it stays.
        act: |_| log::info!("Emergency Sync complete"),
    },
    Key {
        presses: b"t",
        mask: DUMP,
        help: "show-task-states(t)",
        says: "Show State",
        act: |_| states::show_all(),
    },
    Key {
        presses: b"w",
        mask: DUMP,
        help: "show-blocked-tasks(w)",
        says: "Show Blocked State",
        act: |_| states::show_blocked(),
    },
];

fn set_log_level(key: u8) {
    let level = key - b'0';
    log::info!("sysrq: Loglevel set to {level}");
    // Linux's is the first level that is not shown.
    klog::set_console_level(level.saturating_sub(1));
}

/// Sends a signal to each process but the first one and the kernel's threads.
fn signal_all(signal: Signal) {
    process::for_each_task(|task| {
        let process = process::process_of(task);
        let spared = task.is_kthread() || process.pid().number() == 1;
        if !spared && process::Thread::of(task).is_leader() {
            // One that is just ending needs none.
            let _ = signal_process(process, SigInfo::kernel(signal));
        }
    });
}

/// Real-time and deadline tasks of programs become normal ones, and nobody is nicer than 0: a worker does that, as it is no work for
/// an interrupt.
fn nice_later() {
    static NICE: Once<Work<NormalizeTasks>> = Once::new();
    if NICE.get().is_none() {
        // Whoever comes first has made it.
        let _ = NICE.set(Work::new(NormalizeTasks));
    }
    if let Some(work) = NICE.get() {
        workqueue::system_wq().queue(work);
    }
}

struct NormalizeTasks;

impl WorkItem for NormalizeTasks {
    fn run(&self, _: &Running<'_>) {
        nice_all();
    }

    fn name(&self) -> &'static str {
        "normalize_rt_tasks"
    }
}

fn nice_all() {
    process::for_each_task(|task| {
        if task.flags().contains(TaskFlags::KTHREAD) {
            return;
        }
        let old = task.attributes();
        let urgent = old.policy.is_real_time() || old.policy == Policy::Deadline;
        if urgent || old.nice < 0 {
            let policy = if urgent { Policy::Normal } else { old.policy };
            let nice = if urgent || old.nice < 0 { 0 } else { old.nice };
            // A task that is just ending keeps what it has.
            let _ = sched::set_attributes(task, Attributes { policy, nice, priority: 0, ..old });
        }
    });
}
