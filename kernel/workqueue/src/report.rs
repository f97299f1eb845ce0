//! What queues and pools are at, for the log: after a stall, and for whoever asks.

use core::fmt;

use sched::{NameBuffer, Task, WORK_LENGTH};
use sync::IrqGuard;

use crate::parts::Part;
use crate::pool::{Pool, State};
use crate::pwq::Pwq;
use crate::queue::Queue;
use crate::worker::Tag;
use crate::{pools, queue, watchdog};

/// How much of what is variable goes on a line.
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
        let mut first = true;
        queue.for_each_part(|part| {
            if part.is_idle() {
                return;
            }
            if core::mem::replace(&mut first, false) {
                log::info!("workqueue {}: flags={:#x}", queue.name, queue.flags.bits());
            }
            show_part(queue, part);
        });
    });
    pools::for_each(|pool| show_pool(pool));
}

/// The names on one line, with commas between them.
struct Names(NameBuffer<LINE>);

impl Names {
    const fn none() -> Self {
        Self(NameBuffer::new())
    }

    fn add(&mut self, name: fmt::Arguments<'_>) {
        let comma = if self.0.as_bytes().is_empty() { "" } else { "," };
        self.0.format(format_args!("{comma} {name}"));
    }

    /// Writes the line, if there are any.
    fn show(&self, begin: &str) {
        if !self.0.as_bytes().is_empty() {
            log::info!("{begin}{}", text(&self.0));
        }
    }
}

fn text(buffer: &NameBuffer<LINE>) -> &str {
    core::str::from_utf8(buffer.as_bytes()).unwrap_or("?")
}

fn show_part(queue: &Queue, part: &Part) {
    let pool = &*part.pool;
    let about = Describe(pool);
    let mut first = NameBuffer::<LINE>::new();
    first.format(format_args!("  pwq {}: {about}", pool.id));
    let mut held = pool.lock();
    // So that all that waits is on the lists.
    held.recall();
    let pwq = held.pwq(part.slot());
    first.format(format_args!(" active={}/{}", pwq.active, pwq.max_active));
    // The queue's own reference, and one for each item.
    first.format(format_args!(" refcnt={}", 1 + pwq.unfinished()));
    if queue.rescuer.is_called_to(pwq.index) {
        first.format(format_args!(" MAYDAY"));
    }
    let mut running = Names::none();
    if let Some((node, _)) = &pwq.rescued {
        let pid = queue.rescuer.pid().unwrap_or(0);
        running.add(format_args!("{pid}(RESCUER):{}", node.name));
    }
    let mut held_back = Names::none();
    for node in pwq.inactive().iter() {
        held_back.add(format_args!("{}", node.name));
    }
    list_running(&held, part.slot(), &mut running);
    let mut waiting = Names::none();
    for node in held.worklist().iter().filter(|node| node.home.get().slot() == part.slot()) {
        waiting.add(format_args!("{}", node.name));
    }
    drop(held);
    log::info!("{}", text(&first));
    running.show("    in-flight:");
    waiting.show("    pending:");
    held_back.show("    inactive:");
}

fn list_running(held: &State, slot: u32, out: &mut Names) {
    for worker in
        held.workers.iter().flatten().filter(|worker| worker.at_work && worker.home.slot() == slot)
    {
        if let Some(task) = &worker.task
            && let Some(tag) = Tag::of(task)
        {
            tag.current.look(|node| out.add(format_args!("{}:{}", task.pid(), node.name)));
        }
    }
}

fn show_pool(pool: &Pool) {
    let hung = watchdog::hung_for(pool) / time::SECOND;
    let held = pool.lock();
    let busy = held.nr_workers != held.nr_idle() || !held.worklist().is_empty();
    if !busy || held.pwqs().iter().all(Pwq::is_vacant) {
        return;
    }
    let mut rest = NameBuffer::<LINE>::new();
    rest.format(format_args!(" hung={hung}s workers={}", held.nr_workers));
    if let Some(pid) = held.manager().and_then(|id| held.pid_of(id)) {
        rest.format(format_args!(" manager: {pid}"));
    }
    let idle = held.idle().iter().filter_map(|&id| held.pid_of(id));
    for (i, pid) in idle.enumerate() {
        rest.format(format_args!(" {}{pid}", if i == 0 { "idle: " } else { "" }));
    }
    drop(held);
    log::info!("pool {}: {}{}", pool.id, Describe(pool), text(&rest));
}

/// The scheduler's question what a task is at: for reports about the task. Takes no lock for which somebody else would be waited for.
pub(crate) fn work_of(task: &Task) -> Option<NameBuffer<WORK_LENGTH>> {
    let tag = Tag::of(task)?;
    // What is looked at here is in others' way for as long as it takes.
    let section = IrqGuard::new();
    let function = tag.current.try_look(|node| node.name);
    let queue = tag.try_name();
    section.end_unwoken();
    let mut work = NameBuffer::new();
    match queue {
        Some(queue) => work.format(format_args!("{queue} {}", function?)),
        None => work.format(format_args!("? {}", function?)),
    }
    Some(work)
}
