//! Processes: what makes tasks a family.
//!
//! The scheduler knows tasks; this crate knows whose child each is, what it shares with whom, by
//! which number it is called, what signals it is sent, and what is left of it at its end.
//!
//! ```text
//!   copy_process ──> can be found ──wake──> runs ──leave──> Zombie ──wait4──> released
//!        │                                                    │
//!        └─ fails: each part gives itself back                └─ nobody waits: released at once
//! ```
//!
//! | object | is | holds |
//! |---|---|---|
//! | [`Pid`] | a number in each PID namespace | its task, while there is one |
//! | [`Thread`] | one task's part | its [`Process`], memory, files, credentials, blocked signals |
//! | [`Process`] | a thread group | its threads, shared pending signals, limits |
//! | process table | the family | every process, its parent, group and session |
//!
//! A kernel thread is a process too, with one thread and without memory of its own. The first ones
//! are made with [`kernel_thread`](fn@kernel_thread) by PID 0, all later ones by PID 2 on the order of crate
//! `kthread`.
//!
//! Lock order: process table, then `process.signals`, then `thread.signals` and `sighand`, then
//! wait queues and run queues. The other locks are leaves. All are taken with interrupts off. See
//! `docs/process.md`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod chain;
mod clock_timer;
mod clone;
mod cpu_timer;
mod credentials;
mod current;
mod daemonize;
pub mod events;
mod exec;
mod exit;
mod flags;
mod init;
mod itimer;
mod job;
mod kernel_thread;
mod kill;
mod list;
mod membership;
mod namespace;
mod namespace_file;
mod numbers;
mod pid;
mod process;
pub mod ptrace;
mod reaper;
mod rlimit;
mod rseq;
mod session;
pub mod signal;
mod table;
mod thread;
mod tracepoints;
mod usage;
mod user;
mod uts;
mod wait;

pub use clock_timer::{ClockTimer, TimeBase};
pub use clone::{CloneArgs, NewTask, Reservation, copy_process, kernel_clone, unshare_namespaces};
pub use cpu_timer::{CpuClock, CpuTimer};
pub use credentials::set_credentials;
pub use current::{
    credentials, current_pid_namespace, current_process, find_task, for_each_task, live_pids,
    parent_number, parent_of, ppid, set_current_mm, task_count, tgid, tid,
};
pub use daemonize::daemonize;
pub use exec::{NewProgram, begin_new_exec};
pub use exit::{
    do_exit, exit_code_of_status, set_init_exit_hook, set_memory_release_hook, set_process_end_hook,
};
pub use flags::CloneFlags;
pub use init::{init, init_pid_ns, init_uts_ns, set_root};
pub use itimer::{IntervalTimer, TimerSetting, interval_timer, set_interval_timer};
pub use job::{
    find_session, getpgid, getsid, group_members, group_of, is_orphaned_group, session_of,
    session_of_group, setpgid, setsid,
};
pub use kernel_thread::{KernelThread, kernel_thread, new_kernel_thread};
pub use kill::{
    check_may_signal, kill, kill_cgroup, pidfd_send_signal, signal_group, sigqueue, tgkill,
    tgsigqueue,
};
pub use membership::{cgroup_of, check_cgroup_move, kthread_ready, move_to_cgroup, processes_of};
pub use namespace::{
    Namespaces, PidNamespace, THREADS_MAX_LIMIT, UTS_LENGTH, UtsNamespace, find_task_by_pid_ns,
    max_threads, pid_max, set_max_threads, set_pid_max,
};
pub use namespace_file::{InitialOnly, Namespace, NamespaceFile};
pub use numbers::{PID_MAX_DEFAULT, PID_MAX_LIMIT, PID_MAX_MIN};
pub use pid::Pid;
pub use process::{Process, process_of};
pub use rlimit::{INFINITY, Limit, Limits, RESOURCES, Resource};
pub use rseq::Rseq;
pub use session::{Session, Terminal};
pub use signal::{
    Delivery, SigInfo, SigSet, Signal, SignalStatus, allow_signal, dequeue_signal, disallow_signal,
    force_signal, group_exit, ignore_signals, is_ignored_by_current, next_delivery,
    send_kernel_signal, send_to_current, signal_process, signal_status, signal_thread,
};
pub use table::processes;
pub use thread::{ExitState, Resources, Thread};
pub use tracepoints::set_comm;
pub use usage::{CLOCK_TICK, Usage};
pub use user::User;
pub use uts::{MACHINE, RELEASE, SYSNAME, VERSION};
pub use wait::{ChildEvent, WaitFor, WaitOptions, Waited, wait_for_child};
