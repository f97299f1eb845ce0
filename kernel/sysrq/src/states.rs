//! What tasks, CPUs and timers are at.

use kthread::backtrace;
use sched::{Task, state};
use sync::PreemptGuard;

/// Each task that sleeps and that no signal wakes.
pub(crate) fn show_blocked() {
    process::for_each_task(|task| {
        if is_blocked(task) {
            backtrace::print_task(task);
        }
    });
}

/// As Linux counts it: not those that wait for work, nor those that a fatal signal ends.
fn is_blocked(task: &Task) -> bool {
    let state = task.state();
    state & state::UNINTERRUPTIBLE != 0 && state & (state::WAKEKILL | state::NOLOAD) == 0
}

/// Each task, and what workqueues are at.
pub(crate) fn show_all() {
    process::for_each_task(|task| backtrace::print_task(task));
    workqueue::show_workqueue_state();
}

/// What each CPU does.
pub(crate) fn show_cpus() {
    let _here = PreemptGuard::new();
    backtrace::print_this_cpu();
    show_other_cpus();
}

/// What each other CPU does. Preemption is off.
pub(crate) fn show_other_cpus() {
    backtrace::print_cpus(sched::online().without(machine::cpu::id()));
}

/// The timers of each CPU.
pub(crate) fn show_timers() {
    time::timer_list::write(&mut |line| log::info!("{line}"));
}
