//! Work that is done later, in a thread, by whoever of a pool's workers is free (Linux's workqueues).
//!
//! The life of an item ([`Work`]):
//!
//! ```text
//!                 queue                          a worker takes it          its function returns
//!   idle ──────────────────────> on its pool's list ─────────────> running ────────────────────> idle
//!    ^  │                              ^   │                          │
//!    │  │ queue_delayed                │   │ enough of its queue's     │ queued meanwhile: on the list
//!    │  v                              │   v are active                v again, and runs once more
//!    │ on a timer ─────────────────────┘  held back                  pending
//!    └──────────── cancel, from anywhere but "running" ─────────────────┘
//! ```
//!
//! A [`WorkQueue`] says how: on the CPU that queues or anywhere, how many at once, in order, with what priority. It has no
//! threads of its own. Those belong to *pools*: two for each CPU, and a few that are not bound; `pool.rs` says when a pool
//! wakes or makes another worker.
//!
//! Queueing takes one spin lock and no memory, in any context but a non-maskable interrupt. An item never runs twice at once,
//! whatever queues and CPUs it is queued on.
//!
//! | file | idea |
//! |---|---|
//! | `item` | items and their handles |
//! | `state`, `home` | the word that says how far an item is, and the one that says where |
//! | `queue`, `flags` | queues; `parts`, `pwq`: a queue's part in a pool; `change`: other parts |
//! | `pool`, `pools` | pools: who is idle, who runs, when to wake another; which there are |
//! | `worker`, `manager`, `rescuer` | the threads; `hand`: what a worker has taken to do next |
//! | `wait`, `flush` | waiting for an item, for a queue |
//! | `attributes` | what is shown and set in `/sys` |
//! | `cancel`, `delayed` | taking back, and timers; `stranded`: whose queue has ended |
//! | `cpus`, `freeze` | CPUs that come and go, the freezer |
//! | `system` | the queues that everybody uses, `work_on_cpu`, the start |
//! | `watchdog`, `report`, `name` | pools that are stuck, and what the log and `/proc` show |
//!
//! Lock order: `wq_drain`, `wq_colours`, `wq_attach` (they sleep, and are not nested); then `workqueues`, `delayed_work`; then `wq_parts`; then
//! `wq_pool`, one at a time; then run queues and timer queues.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod attributes;
mod cancel;
mod change;
mod cpus;
mod delayed;
mod flags;
mod flush;
mod freeze;
mod hand;
mod home;
mod item;
mod manager;
mod name;
mod parts;
mod pool;
mod pools;
mod pwq;
mod queue;
mod report;
mod rescuer;
mod state;
mod stranded;
mod system;
mod tracepoints;
mod wait;
pub mod watchdog;
mod worker;

pub use flags::{DEFAULT_ACTIVE, MAX_ACTIVE, WqFlags};
pub use item::{DelayedWork, Running, Work, WorkItem};
pub use manager::set_idle_timeout;
pub use name::{NAME_LENGTH, worker_name};
pub use pools::{
    goes_round, ignores_nodes, saves_power, set_goes_round, set_ignores_nodes, set_power_efficient,
};
pub use queue::{WorkQueue, alloc_ordered_workqueue, alloc_workqueue};
pub use report::{show_workqueue_state, unfinished_items, workers_of};
pub use system::{
    early_init, init, schedule_work, system_freezable_power_efficient_wq, system_freezable_wq,
    system_highpri_wq, system_long_wq, system_power_efficient_wq, system_unbound_wq, system_wq,
    work_on_cpu,
};
pub use worker::{current_is_rescuer, current_is_worker};
