//! What `/proc` and `ps` call a worker.

use sched::{NameBuffer, Task};

use crate::worker::{Kind, Tag};

/// The longest name.
pub const NAME_LENGTH: usize = 63;

/// The name of a worker: its own, and behind it that of the queue whose item it runs (`+`) or ran last (`-`):
/// `kworker/0:1-events`. None for a task that is not one, and for a worker that has not worked yet. Any context.
pub fn worker_name(task: &Task) -> Option<NameBuffer<NAME_LENGTH>> {
    let Kind::Pool { pool, id } = &Tag::of(task)?.kind else { return None };
    let held = pool.lock();
    let worker = held.workers.get(*id as usize)?.as_ref()?;
    let description = worker.description.clone()?;
    let sign = if worker.at_work { '+' } else { '-' };
    drop(held);
    let mut name = NameBuffer::new();
    match kthread::full_name(task) {
        Some(own) => name.format(format_args!("{}", core::str::from_utf8(own).unwrap_or("?"))),
        None => name.format(format_args!("{}", task.comm())),
    }
    name.format(format_args!("{sign}{description}"));
    Some(name)
}
