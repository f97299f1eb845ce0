//! The queues that everybody may use, and the start.

use errno::Errno;
use machine::CpuId;
use sync::{LockClass, Once, SpinLock};

use crate::flags::WqFlags;
use crate::item::{Running, Work, WorkItem};
use crate::queue::{self, WorkQueue, alloc_workqueue};
use crate::{change, cpus, freeze, manager, pools, rescuer, stranded, worker};

macro_rules! system_queues {
    ($($(#[$doc:meta])* $function:ident, $slot:ident, $name:literal, $flags:expr;)*) => {
        $(
            static $slot: Once<WorkQueue> = Once::new();

            $(#[$doc])*
            ///
            /// # Panics
            /// Before the workqueue has been started.
            #[inline]
            pub fn $function() -> &'static WorkQueue {
                $slot.get().expect("the workqueue starts before anybody has work")
            }
        )*

        fn make_system_queues() -> Result<(), Errno> {
            $(
                let queue = alloc_workqueue(format_args!($name), $flags, 0)?;
                // The start makes each once.
                let _ = $slot.set(queue);
            )*
            Ok(())
        }
    };
}

system_queues! {
    /// `events`: for items that are short, on the CPU that queues them.
    system_wq, EVENTS, "events", WqFlags::empty();
    /// `events_highpri`: run by workers of nice -20.
    system_highpri_wq, HIGHPRI, "events_highpri", WqFlags::HIGHPRI;
    /// `events_long`: for items that may take long.
    system_long_wq, LONG, "events_long", WqFlags::empty();
    /// `events_unbound`: for items that belong to no CPU.
    system_unbound_wq, UNBOUND, "events_unbound", WqFlags::UNBOUND;
    /// `events_freezable`: stands still while the system is frozen.
    system_freezable_wq, FREEZABLE, "events_freezable", WqFlags::FREEZABLE;
    /// `events_power_efficient`: unbound, if power is to be saved.
    system_power_efficient_wq, POWER_EFFICIENT, "events_power_efficient", WqFlags::POWER_EFFICIENT;
    /// `events_freezable_power_efficient`: both.
    system_freezable_power_efficient_wq, FREEZABLE_POWER_EFFICIENT, "events_freezable_power_efficient",
        WqFlags::FREEZABLE.union(WqFlags::POWER_EFFICIENT);
}

/// The first half of the start: from here on, queues can be made and items be queued. They wait until there are workers. On the
/// boot CPU, once, when there is a heap.
///
/// # Panics
/// If there is no memory for the system's queues.
pub fn early_init() {
    pools::make_cpu_pools();
    if let Err(error) = make_system_queues() {
        panic!("the system's workqueues cannot be made: {error}");
    }
    rescuer::init();
    stranded::init();
    change::init();
    sched::set_worker_hooks(&worker::HOOKS);
    kthread::oops::set_death_hook(worker::thread_dies);
    kthread::freezer::set_freezable_work(&freeze::WORK);
}

/// The second half: the first workers. By PID 1, when kernel threads can be made and before other CPUs come. May sleep.
///
/// # Errors
/// As [`kthread::Builder::create`].
pub fn init() -> Result<(), Errno> {
    hotplug::register_callback(&cpus::CALLBACK);
    pools::set_ready();
    for cpu in sched::online().iter() {
        cpus::online(cpu)?;
    }
    let mut outcome = Ok(());
    pools::for_each(|pool| {
        if pool.cpu.is_none() && outcome.is_ok() {
            outcome = manager::make_worker(pool);
        }
    });
    outcome?;
    let mut without_rescuer = alloc::vec::Vec::new();
    queue::for_each(|queue| {
        if queue.flags.contains(WqFlags::MEM_RECLAIM) && !queue.rescuer.is_there() {
            without_rescuer.push(queue.clone());
        }
    });
    without_rescuer.iter().try_for_each(rescuer::make)
}

/// Queues an item on `events` (`schedule_work`). Any context.
#[inline]
pub fn schedule_work<T: WorkItem>(work: &Work<T>) -> bool {
    system_wq().queue(work)
}

static CALL_LOCK: LockClass = LockClass::new("work_on_cpu");

/// A function that is called once, and what it gave.
struct Call<F, R> {
    function: SpinLock<Option<F>>,
    result: SpinLock<Option<R>>,
}

impl<R, F> WorkItem for Call<F, R>
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
{
    fn run(&self, _: &Running<'_>) {
        let function = self.function.lock_irq().take();
        if let Some(function) = function {
            let result = function();
            *self.result.lock_irq() = Some(result);
        }
    }
}

/// Has a CPU's worker call a function, and waits for what it gives (`work_on_cpu`). May sleep; the function, too.
///
/// # Errors
/// EINVAL: the CPU is not there. EIO: the function panicked.
pub fn work_on_cpu<R: Send + 'static>(
    cpu: CpuId,
    function: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Errno> {
    if cpu >= machine::cpu::count() || !sched::online().contains(cpu) {
        return Err(Errno::EINVAL);
    }
    let call = Work::new(Call {
        function: SpinLock::new(&CALL_LOCK, Some(function)),
        result: SpinLock::new(&CALL_LOCK, None),
    });
    system_wq().queue_on(cpu, &call);
    call.flush();
    let result = call.result.lock_irq().take();
    result.ok_or(Errno::EIO)
}
