//! Deadline tasks (SCHED_DEADLINE): so much runtime in each period, by a deadline.
//!
//! A *server* stands between such a task and the CPU, so that it gets what it was admitted with, and no more:
//!
//! ```text
//!                  wakes, or comes into the class: budget left
//!   Inactive ─────────────────────────────────────────────> Active: waits or runs
//!     ^   │                                                  │    │   ^
//!     │   └─ wakes without budget ──> Throttled <────────────┘    │   │ its next period
//!     │                                │   budget used up, yield  │   │
//!     │                                └──────────────────────────┼───┘
//!     └───────────── sleeps, ends, leaves the class ──────────────┘
//! ```
//!
//! | | |
//! |---|---|
//! | `parameters` | what may be asked for |
//! | `budget` | the server's arithmetic |
//! | `server` | what a task keeps |
//! | `admission` | who is admitted |
//! | `change` | tasks come into the class, change there, and leave |
//! | `spread` | which CPU runs whom: what each shows of itself |
//! | `pull` | a CPU takes a task that waits in vain elsewhere |
//! | `timers` | the ends of budgets and of throttling |
//!
//! The queue of a CPU's deadline tasks is in `class/deadline.rs`.

pub(crate) mod admission;
mod budget;
mod change;
mod parameters;
mod pull;
mod server;
pub(crate) mod spread;
pub(crate) mod timers;

pub use admission::{deadline_bandwidth, set_inactive};
pub use change::set_deadline;
pub(crate) use change::{allow_from_user, change_class, close, leave_at_end, with_admission};
pub(crate) use parameters::SharedParameters;
pub use parameters::{DeadlineParameters, deadline_period_bounds, set_deadline_period_bounds};
pub(crate) use server::{Phase, Server};
