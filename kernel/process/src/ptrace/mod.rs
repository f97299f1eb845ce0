//! Tracing: one process looks into another and decides what it does next.
//!
//! A *tracer* is a process, a *tracee* a single thread. The tracee stops by itself, at well-defined
//! points, and sleeps until its tracer lets it go on:
//!
//! ```text
//!              a signal, a system call, an event, a stop of the process
//!   runs ────────────────────────────────────────────────> stopped (state TRACED)
//!     ^                                                        │ waited for; looked into, changed
//!     └──────── resume, detach, SIGKILL, the tracer ends ──────┘
//! ```
//!
//! What the tracer sees of a stopped tracee's registers is a [`Snapshot`] that the tracee has left
//! behind, and takes back when it goes on. So nobody ever touches the registers of a thread that
//! could run, and a request needs no more than a lock.
//!
//! | file | about |
//! |---|---|
//! | `link` | who traces whom: from `attach` or birth to `detach` or the end of either |
//! | `stop` | the tracee's side: leaving the snapshot, sleeping, coming back |
//! | `event` | what it stops for |
//! | `request` | the tracer's side |
//! | `wait` | how the tracer learns of it |
//! | `access` | who may look into whom |
//!
//! Who traces whom changes with the process table locked; what a tracee is about to do for its
//! tracer is in its [`Trace`], and its stop in a [`Stop`], both under its `thread.signals` lock
//! inside `process.signals`. A thread that nobody traces has neither, and one word of flags that
//! says so.

mod access;
mod event;
mod link;
mod request;
mod stop;
mod tracee;
mod wait;

pub use access::{Identity, may_access, may_gain_privileges};
pub use event::{
    CallStop, Event, call_stop, exec_stop, exit_stop, handler_stop, reports_calls, single_step_stop,
};
pub use link::{attach, detach, seize, trace_me, tracer_of};
pub use request::{
    Resume, SyscallPhase, change_signal_info, event_message, interrupt, kill, listen, memory,
    peek_signals, resume, set_options, set_signal_mask, signal_info, signal_mask, syscall_phase,
    with_snapshot,
};
pub use tracee::{Options, Snapshot, TraceFlags};

pub(crate) use event::{clone_event, event_stop, number_for_tracer};
pub(crate) use link::{Inherited, forget, release_tracees};
pub(crate) use stop::{signal_stop, trap};
pub(crate) use tracee::{Stop, Trace, notify_listener};
pub(crate) use wait::{
    TraceeEvent, look_at_tracees, notify_thread, notify_zombie, reap, release_thread,
};
