//! Signals.
//!
//! A signal is sent to a process or to one of its threads. It waits there until a thread that does
//! not block it takes it on the way to user mode:
//!
//! ```text
//!   send ──ignored?──> nothing
//!    │
//!    v
//!   pending (the thread's, or shared by the process) ── the chosen thread is marked and woken
//!    │
//!    v
//!   taken by `next_delivery`: a handler is called, the process stops, or it ends
//! ```
//!
//! Kernel threads ignore every signal, SIGKILL too, until they [`allow_signal`] one; then they see
//! it with [`signal_pending`](sched::Task::signal_pending) and take it with [`dequeue_signal`].

mod action;
pub(crate) mod child;
mod deliver;
pub(crate) mod group;
pub mod info;
mod kernel;
mod mask;
mod number;
mod pass_on;
mod pending;
mod send;
mod stack;
mod status;
pub(crate) mod stop;

pub use action::{Action, ActionFlags, Handler, Sighand};
pub use deliver::{
    Delivery, dequeue, dequeue_signal, group_exit, handler_entered, next_delivery, set_action,
    set_timer_signal_hook,
};
pub use info::{Details, SigInfo};
pub use kernel::{allow_signal, disallow_signal, ignore_signals};
pub use mask::{
    How, all_pending, alternate_stack, blocked, change_mask, handler_left, pending,
    restore_saved_mask, set_alternate_stack, set_mask, set_temporary_mask, sigtimedwait,
    wait_for_signal,
};
pub use number::{DefaultAction, SIGNAL_MAX, SIGRTMIN, SigSet, Signal};
pub use send::{force_signal, send_kernel_signal, send_to_current, signal_process, signal_thread};
pub use stack::{AlternateStack, MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK};
pub use status::{SignalStatus, is_ignored_by_current, signal_status};

pub(crate) use child::send_child_ended;
pub(crate) use group::{GroupSignals, JobState, ThreadSignals};
pub(crate) use pass_on::stop_taking;
pub(crate) use stop::admit;
