//! How many workers a pool has: making them, helping out when none can be made, and letting go of those that have nothing to do.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use errno::Errno;
use kthread::Builder;
use sched::{Attributes, CpuMask, Mutex};
use sync::LockClass;

use crate::hand::Hand;
use crate::pool::Pool;
use crate::{pools, rescuer, worker};

/// Outside pool locks: workers join a pool and change where they may run one at a time.
static ATTACH_LOCK: LockClass = LockClass::new("wq_attach");
pub(crate) static ATTACH: Mutex<()> = Mutex::new(&ATTACH_LOCK, ());

/// A worker without work goes after this time, if there are too many: 5 minutes.
static IDLE_TIMEOUT: AtomicU64 = AtomicU64::new(300 * time::SECOND);
/// A pool that cannot make a worker calls for rescuers after this time.
const MAYDAY_FIRST: u64 = 10 * time::MILLISECOND;
/// And again so often.
const MAYDAY_INTERVAL: u64 = 100 * time::MILLISECOND;
/// After a failure to make a worker, the next try.
const COOLDOWN: u64 = time::SECOND;

/// Sets how long a worker that is one too many stays, in nanoseconds. Any context.
pub fn set_idle_timeout(nanoseconds: u64) {
    IDLE_TIMEOUT.store(nanoseconds.max(1), Relaxed);
    // A timer that runs already may have the old time before it; it finds out who has been idle for how long.
    pools::for_each(|pool| {
        if pool.idle_timer.is_pending() {
            pool.idle_timer.start(time::monotonic().saturating_add(nanoseconds));
        }
    });
}

/// Makes one worker, which joins the pool idle and looks for work. May sleep.
///
/// # Errors
/// As [`Builder::create`].
pub(crate) fn make_worker(pool: &Arc<Pool>) -> Result<(), Errno> {
    let hand = Arc::new(Hand::new());
    let id = pool.lock().reserve_worker(hand.clone())?;
    let theirs = pool.clone();
    let high = if pool.nice < 0 { "H" } else { "" };
    let builder = match pool.cpu {
        Some(cpu) => Builder::new(format_args!("kworker/{cpu}:{id}{high}")),
        None => Builder::new(format_args!("kworker/u{}:{id}{high}", pool.id)),
    };
    let made = builder
        .node(pool.node)
        .bound_to(pool.cpus())
        .attributes(Attributes { nice: pool.nice, ..Attributes::NORMAL })
        .create(move |_| worker::live(&theirs, id, &hand));
    let created = match made {
        Ok(created) => created,
        Err(error) => {
            pool.lock().release_worker(id);
            return Err(error);
        }
    };
    // A CPU that comes or goes changes the masks of the workers that it finds. This one is found from here on.
    let attach = ATTACH.lock();
    let gone = pool.lock().disassociated;
    if gone {
        // Bound to no CPU that is not there; cannot fail, as some CPU is in the mask.
        let _ = created.bind_mask(CpuMask::ALL);
    } else if pool.cpu.is_none() {
        // The mask may have been set since; if it holds no CPU that is there any more, where it was made for does.
        let _ = created.bind_mask(pool.cpus());
    }
    pool.lock().join(id, created.task().clone(), gone || pool.cpu.is_none());
    drop(attach);
    // It goes on without its maker.
    drop(created.wake());
    Ok(())
}

/// Makes workers until one is idle, or there is nothing left to do. The caller is the pool's manager. May sleep.
pub(crate) fn make_workers(pool: &Arc<Pool>) {
    // If it takes long, memory is short, and what would free some may be on this very list.
    pool.mayday_timer.start(time::monotonic() + MAYDAY_FIRST);
    loop {
        if make_worker(pool).is_ok() || !pool.lock().need_to_make_worker() {
            break;
        }
        sched::sleep_for(COOLDOWN);
        if !pool.lock().need_to_make_worker() {
            break;
        }
    }
    pool.mayday_timer.cancel_sync();
    pool.lock().resign_as_manager();
    pool.news.wake_all();
}

/// No worker could be made for some time: calls the rescuers of those whose items wait.
pub(crate) fn mayday_timer_fires(pool: &Arc<Pool>) {
    let held = pool.lock();
    if held.need_to_make_worker() {
        for node in held.worklist().iter() {
            let slot = node.home.get().slot() as usize;
            if let Some(pwq) = held.pwqs().get(slot)
                && let Some(queue) = pwq.queue_ref()
            {
                rescuer::call(queue, pwq.index);
            }
        }
    }
    drop(held);
    pool.mayday_timer.start(time::monotonic() + MAYDAY_INTERVAL);
}

/// There are too many idle workers: sees to it that some go in time.
pub(crate) fn watch_idle_workers(pool: &Pool) {
    if !pool.idle_timer.is_pending() {
        pool.idle_timer.start(time::monotonic().saturating_add(IDLE_TIMEOUT.load(Relaxed)));
    }
}

/// Lets go of workers that have been idle for too long, as long as there are too many.
pub(crate) fn idle_timer_fires(pool: &Arc<Pool>) {
    let mut held = pool.lock();
    while held.too_many_workers() {
        let Some((id, since)) = held.longest_idle() else { return };
        let until = since.saturating_add(IDLE_TIMEOUT.load(Relaxed));
        if time::monotonic() < until {
            pool.idle_timer.start(until);
            return;
        }
        held.dismiss(id);
    }
}

/// Lets all workers of an unbound pool go that no queue uses any more, and waits for their end. May sleep.
pub(crate) fn end_pool(pool: &Arc<Pool>) {
    pool.lock().dying = true;
    pool.news.wait(|| {
        let mut held = pool.lock();
        while let Some((id, _)) = held.longest_idle() {
            held.dismiss(id);
        }
        held.is_deserted()
    });
    pool.idle_timer.cancel_sync();
    pool.mayday_timer.cancel_sync();
}
