//! `/proc/PID` and `/proc/PID/task/TID`.
//!
//! | file | what is in it |
//! |---|---|
//! | `subject` | whom it is about, and who may look |
//! | `directory` | the directory, and the table of what is in it |
//! | `stat`, `status` | the two summaries, and `statm` |
//! | `memory` | what shows user memory: `maps`, `cmdline`, `environ`, `auxv`, `exe` |
//! | `descriptors` | `fd` and `fdinfo` |
//! | `threads` | `task` |
//! | `links` | `cwd`, `root`, `exe` |
//! | `kernel` | what the kernel does for it: `wchan`, `stack`, `schedstat`, `sched`, `io` |
//! | `settings` | what can be set: `comm`, `oom_score_adj`; and `limits` |
//! | `mounts` | `mounts`, `mountinfo` |
//! | `namespaces` | `ns` |
//! | `timers` | `timers` |

mod descriptors;
mod directory;
mod kernel;
mod links;
mod mem;
mod memory;
mod mounts;
mod namespaces;
mod settings;
mod stat;
mod status;
mod subject;
mod threads;
mod timers;

pub(crate) use directory::PidDirectory;
pub(crate) use subject::{Scope, Subject};
pub use timers::{ShowTimers, set_timers};

use process::Thread;
use sched::Task;
use sched::state::letter;

/// The state as `/proc` shows it: a letter and a word.
fn state_of(task: &Task) -> (char, &'static str) {
    let letter = match Thread::of(task).exit_state() {
        process::ExitState::Alive => letter(task.state()),
        process::ExitState::Zombie => 'Z',
        process::ExitState::Dead => 'X',
    };
    let word = match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "disk sleep",
        'T' => "stopped",
        't' => "tracing stop",
        'Z' => "zombie",
        'P' => "parked",
        'I' => "idle",
        _ => "dead",
    };
    (letter, word)
}

/// The name that `comm`, `stat` and `status` show: a kernel thread's in full, a worker's with what it works at.
fn name_of(task: &Task) -> alloc::vec::Vec<u8> {
    if let Some(name) = workqueue::worker_name(task) {
        return name.as_bytes().to_vec();
    }
    match kthread::full_name(task) {
        Some(name) => name.to_vec(),
        None => task.comm().as_bytes().to_vec(),
    }
}
