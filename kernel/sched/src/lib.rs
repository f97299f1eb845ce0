//! The scheduler: tasks, run queues, and everything a task can wait for.
//!
//! A [`Task`] is made with a start function, woken for the first time, put to sleep and woken any
//! number of times, and ends when its function returns:
//!
//! ```text
//!   Task::new ──> NEW ──wake_up_new_task──> runnable <──wake_up── asleep
//!                                              │  ^                  ^
//!                                       picked │  │ preempted        │
//!                                              v  │                  │
//!                                            running ──schedule()────┘
//!                                              │
//!                                              └── start function returns ──> DEAD
//! ```
//!
//! Each CPU has a run queue with five classes, asked in order: stop, deadline, real time, fair, idle. The fair
//! class is EEVDF. A CPU that has nothing to run runs its idle task (PID 0), which stops the tick and waits for
//! an interrupt.
//!
//! Kernel threads have no address space of their own and run on the one that was loaded before them
//! ([`lazy TLB`](crate::address_space_counters)).
//!
//! Lock order: wait queue, then run queue (two of them by CPU number), then timer queue or the admission of deadline tasks.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod affinity;
mod attributes;
mod balance;
mod class;
mod completion;
mod cpumask;
mod current;
mod date;
mod deadline;
mod exit;
mod hand_over;
mod idle;
mod load;
mod mutex;
mod name;
mod places;
mod runqueue;
mod rw_semaphore;
mod schedule;
mod sleep;
mod space;
pub mod stack_cache;
pub mod state;
pub mod stopper;
mod task;
mod tick;
mod tracepoints;
mod upcalls;
mod urgency;
mod wait;
mod wake;
pub mod watch;
mod worker;

pub use account::{CpuTimes, TaskTimes, cpu_times};
pub use affinity::{
    active, bind_sleeping, housekeeping, online, set_active, set_allowed, set_allowed_from_user,
    set_housekeeping, set_online, settle,
};
pub use attributes::{Attributes, Policy, set_attributes, weight_of_nice};
pub use completion::Completion;
pub use cpumask::CpuMask;
pub use current::{current, current_ref, has_current, set_current_running, set_current_state};
pub use date::wait_until_moment;
pub use deadline::{
    DeadlineParameters, deadline_bandwidth, deadline_period_bounds, set_deadline,
    set_deadline_period_bounds, set_inactive,
};
pub use exit::{exit_current, set_dead_task_hook, set_leaving_task_hook};
pub use hand_over::wake_and_wait;
pub use idle::{idle_loop, idle_task, leave_when_idle, new_idle, set_idle_offline_hook};
pub use load::{load_average, runnable, uninterruptible};
pub use mutex::{Mutex, MutexGuard};
pub use name::Buffer as NameBuffer;
pub use runqueue::{CpuCounters, counters, rt_bandwidth, set_rt_bandwidth, total_switches};
pub use rw_semaphore::{RwReadGuard, RwSemaphore, RwWriteGuard};
pub use schedule::{
    Woken, schedule, schedule_until, start_on_boot_cpu, start_on_this_cpu, yield_now,
};
pub use sleep::{sleep_for, sleep_interruptible, sleep_until};
pub use space::{SpaceCounters, address_space_counters, drop_lazy_space, use_address_space};
pub use state::Sleep;
pub use task::{
    COMM_LENGTH, Comm, DEADLINE_OVERRUN, NewTask, RSEQ_REGISTERED, RSEQ_RESTART, SIGNAL_FATAL,
    SIGNAL_PENDING, Slot, Task, TaskFlags, TaskRef,
};
pub use tick::{TICK, set_tick_hook};
pub use upcalls::{interrupt_exit, reschedule_interrupt};
pub use urgency::{Urgency, inheritance, keep_inheritance, lend, set_urgency_hook};
pub use wait::{Notify, PollSleeper, WaitError, WaitQueue, Watch, wait_to_be_woken};
pub use wake::{kick, wake_up, wake_up_new_task, wake_up_state};
pub use worker::{WORK_LENGTH, WorkerHooks, set_worker_hooks, work_of};
