//! Serving what is pending, for as long as is fair.

use core::sync::atomic::Ordering::Relaxed;

use machine::preempt::{NO_RESCHED, SOFTIRQ_SERVING};

use crate::pending::{ROWS, is_left_to_daemon, run_handlers, wake_daemon};

/// How long softirqs are served in one go, in nanoseconds.
const LONGEST: u64 = 2_000_000;
/// How many rounds they are served in one go.
const ROUNDS: u32 = 10;

/// The end of an interrupt, with the interrupt level no longer counted: serves what the interrupt raised, unless that
/// interrupted a softirq or a section with softirqs off. `before` is called first if there is anything to serve. Interrupts are off,
/// go on in between, and are off again.
#[inline]
pub fn interrupt_exit(before: impl FnOnce()) {
    if ROWS.this().pending.load(Relaxed) != 0 && !sync::in_interrupt() {
        before();
        serve_unless_left();
    }
}

/// In a task, with preemption off and interrupts on.
pub(crate) fn serve_in_task() {
    let _ = machine::irq::disable();
    serve_unless_left();
    machine::irq::enable();
}

fn serve_unless_left() {
    let pending = ROWS.this().pending.load(Relaxed);
    if pending != 0 && !is_left_to_daemon(pending) {
        serve();
    }
}

/// Serves what is pending on this CPU. For its daemon, with preemption and interrupts on.
pub fn serve_in_daemon() {
    let _ = machine::irq::disable();
    if ROWS.this().pending.load(Relaxed) != 0 {
        serve();
    }
    machine::irq::enable();
    sync::preempt_point();
}

/// Serves, round by round, and leaves the rest to the daemon when that has gone on for long enough or a task
/// should run. Interrupts are off before and after.
fn serve() {
    let row = ROWS.this();
    machine::cpu::preempt_add(SOFTIRQ_SERVING);
    // Read only when a second round is wanted, which is rare.
    let mut end = None;
    for round in 1.. {
        // With interrupts off: what is raised from here on is a new round's.
        let pending = row.pending.swap(0, Relaxed);
        machine::irq::enable();
        run_handlers(row, pending);
        let _ = machine::irq::disable();
        if row.pending.load(Relaxed) == 0 {
            break;
        }
        let now = machine::time::now();
        let end = *end.get_or_insert(now + LONGEST);
        let reschedule = machine::cpu::preempt_count() & NO_RESCHED == 0;
        if round == ROUNDS || now >= end || reschedule {
            wake_daemon();
            break;
        }
    }
    machine::cpu::preempt_sub(SOFTIRQ_SERVING);
}
