//! Structures of the kernel that work without a lock, or hand something over between two, compiled from the kernel's own files against
//! [`weak`]'s atomics: `tests/` runs them in every order that a weak memory model allows.
//!
//! What those files need of the rest of the kernel stands here, as short as it can be: [`irq`], [`preempt`], [`lockdep`] and
//! [`barrier`] for `sync`; [`task`], [`current`], [`schedule`] and [`wake`] for `sched`.
#![cfg(not(test))]

extern crate self as sync;
extern crate weak as alloc;
extern crate weak as core;
extern crate weak as machine;

pub mod barrier;
pub mod current;
pub mod irq;
pub mod item;
pub mod lockdep;
pub mod preempt;
pub mod schedule;
pub mod task;
pub mod wake;

#[path = "../../kernel/sync/src/keycell.rs"]
pub mod keycell;
// Its tests are in a file of their own, for which rustfmt would look here.
#[rustfmt::skip]
#[path = "../../kernel/sync/src/list.rs"]
pub mod list;
#[path = "../../kernel/sync/src/once.rs"]
pub mod once;
#[path = "../../kernel/sync/src/shown.rs"]
pub mod shown;
#[path = "../../kernel/sync/src/spin.rs"]
pub mod spin;
#[path = "../../kernel/sync/src/takecell.rs"]
pub mod takecell;
#[path = "../../kernel/sync/src/trycell.rs"]
pub mod trycell;

#[path = "../../kernel/sched/src/completion.rs"]
pub mod completion;
#[path = "../../kernel/sched/src/state.rs"]
pub mod state;
#[path = "../../kernel/sched/src/wait.rs"]
pub mod wait;

#[path = "../../kernel/workqueue/src/home.rs"]
mod home;
#[path = "../../kernel/workqueue/src/state.rs"]
mod item_state;

#[path = "../../kernel/vvar/src/clock.rs"]
pub mod clock;
#[path = "../../kernel/vvar/src/pace.rs"]
pub mod pace;
#[path = "../../kernel/vvar/src/page.rs"]
pub mod page;
#[path = "../../kernel/vvar/src/reader.rs"]
pub mod reader;
#[path = "../../kernel/vvar/src/writer.rs"]
pub mod writer;

pub use barrier::fence_after_exchange;
pub use current::Current;
pub use irq::IrqGuard;
pub use keycell::{Key, KeyCell};
pub use list::{Choice, Linked, Links, List};
pub use lockdep::LockClass;
pub use once::Once;
pub use preempt::might_sleep;
pub use shown::{Showing, Shown};
pub use spin::{SpinGuard, SpinIrqGuard, SpinIrqsOffGuard, SpinLock};
pub use takecell::TakeCell;
pub use trycell::TryCell;
