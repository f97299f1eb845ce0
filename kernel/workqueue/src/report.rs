//! What queues and pools are at, for the log: after a stall, and for whoever asks.

use core::fmt;

use sched::NameBuffer;

use crate::pool::{Pool, State};
use crate::pwq::Pwq;
use crate::worker::Tag;
use crate::{pools, queue};

/// How much of a list of names goes on a line.
const LINE: usize = 200;

/// A pool's CPUs, node, flags and nice value.
pub(crate) struct Describe<'a>(pub(crate) &'a Pool);

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.0;
        write!(f, "cpus={}", pool.cpus())?;
        if pool.cpu.is_some() {
            write!(f, " node={}", pool.node)?;
        }
        let disassociated = pool.lock().disassociated;
        write!(f, " flags={:#x} nice={}", if disassociated { 4 } else { 0 }, pool.nice)
    }
}

/// How many items are queued or being run, those on timers not counted. Any context without a pool locked.
pub fn unfinished_items() -> usize {
    let mut count = 0;
    pools::for_each(|pool| {
        count += pool.lock().pwqs().iter().map(Pwq::unfinished).sum::<usize>();
    });
    count
}

/// How many workers a CPU has, for both priorities. Any context without a pool locked.
pub fn workers_of(cpu: machine::CpuId) -> usize {
    pools::all_of_cpu(cpu).iter().map(|pool| pool.lock().nr_workers).sum()
}

/// Writes what all queues and pools are at to the log that are at something. Any context without a pool locked.
pub fn show_workqueue_state() {
    log::info!("Showing busy workqueues and worker pools:");
    queue::for_each(|queue| {
        let is_busy = |part: &queue::Part| !part.pool.lock().pwq(part.slot()).is_idle();
        if !queue.parts().iter().any(is_busy) {
            return;
        }
        log::info!("workqueue {}: flags={:#x}", queue.name, queue.flags.bits());
        for part in queue.parts().iter().filter(|&part| is_busy(part)) {
            show_part(part);
        }
    });
    pools::for_each(|pool| show_pool(pool));
}

fn show_part(part: &queue::Part) {
    let pool = &*part.pool;
    let about = Describe(pool);
    let mut first = NameBuffer::<LINE>::new();
    first.format(format_args!("  pwq {}: {about}", pool.id));
    let mut held = pool.lock();
    // So that all that waits is on the lists.
    held.recall();
    let pwq = held.pwq(part.slot());
    first.format(format_args!(" active={}/{}", pwq.active, pwq.max_active));
    let mut running = NameBuffer::<LINE>::new();
    if let Some((node, _)) = &pwq.rescued {
        running.format(format_args!(" (rescuer):{}", node.name));
    }
    let mut held_back = NameBuffer::<LINE>::new();
    for node in pwq.inactive().iter() {
        held_back.format(format_args!(" {}", node.name));
    }
    list_running(&held, part.slot(), &mut running);
    let mut waiting = NameBuffer::<LINE>::new();
    for node in held.worklist().iter().filter(|node| node.home.get().slot() == part.slot()) {
        waiting.format(format_args!(" {}", node.name));
    }
    drop(held);
    line("", &first);
    line("    in-flight:", &running);
    line("    pending:", &waiting);
    line("    inactive:", &held_back);
}

fn list_running(held: &State, slot: u32, out: &mut NameBuffer<LINE>) {
    for worker in
        held.workers.iter().flatten().filter(|worker| worker.at_work && worker.home.slot() == slot)
    {
        if let Some(task) = &worker.task
            && let Some(tag) = Tag::of(task)
        {
            tag.current.look(|node| out.format(format_args!(" {}:{}", task.pid(), node.name)));
        }
    }
}

/// A line, if it has more than its beginning.
fn line(begin: &str, rest: &NameBuffer<LINE>) {
    if !rest.as_bytes().is_empty() {
        log::info!("{begin}{}", core::str::from_utf8(rest.as_bytes()).unwrap_or("?"));
    }
}

fn show_pool(pool: &Pool) {
    let held = pool.lock();
    let busy = held.nr_workers != held.nr_idle() || !held.worklist().is_empty();
    if !busy || held.pwqs().iter().all(Pwq::is_vacant) {
        return;
    }
    let mut text = NameBuffer::<LINE>::new();
    text.format(format_args!(" workers={}", held.nr_workers));
    if held.is_managed() {
        text.format(format_args!(" manager"));
    }
    text.format(format_args!(" idle:"));
    for &id in held.idle() {
        if let Some(Some(worker)) = held.workers.get(id as usize)
            && let Some(task) = &worker.task
        {
            text.format(format_args!(" {}", task.pid()));
        }
    }
    drop(held);
    let text = core::str::from_utf8(text.as_bytes()).unwrap_or("?");
    log::info!("pool {}: {}{text}", pool.id, Describe(pool));
}
