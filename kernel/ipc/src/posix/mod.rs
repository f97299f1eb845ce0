//! POSIX message queues: messages with priorities, in queues that are files of the file system `mqueue`.
//!
//! ```text
//!   open(name) ──> Queue ──> send ──────────────────────────┬─> in the queue, highest priority first ──> receive
//!                    │        └── it is full: waits,        └─> straight to who has waited longest for one
//!                    │            and who receives next puts the message in
//!                    └── notify: the first message in the empty queue, for which nobody waits, sends a signal
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `file_system`, `root` | the names |
//! | `node` | a queue as a file, and one that is open |
//! | `queue`, `waiters`, `messages` | what is in it and who waits |
//! | `notification` | who is told that it is no longer empty |
//! | `limits` | how large a queue may be |

mod file_system;
mod limits;
mod messages;
mod node;
mod notification;
mod queue;
mod root;
mod waiters;

pub use file_system::{init, open, unlink};
pub use limits::{
    Attributes, MESSAGES_DEFAULT, MESSAGES_LIMIT, MESSAGES_MAX, PRIORITY_MAX, QUEUES_MAX,
    SIZE_DEFAULT, SIZE_LIMIT, SIZE_MAX, SIZE_MIN,
};
pub use messages::Message;
pub use node::{OpenQueue, count};
pub use notification::Notify;
pub use queue::{Queue, Wait};
