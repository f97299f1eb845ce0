//! User mode: what a program asks of the kernel, and how it is run.
//!
//! A user task spends its life in [`user_loop::run`]: it enters user mode and comes back when the
//! program traps. A trap for a system call goes through [`table`], which says what each number
//! means, to one small function of a module by subject. That function decodes nothing: it is given
//! numbers and [`user::UserPtr`]s, checks them, asks `fs`, `vm`, `process` or `sched` to do the
//! work, and gives a number or an error.
//!
//! Everything that comes from a program is hostile: no length sizes an allocation unchecked, no sum
//! is taken unchecked, nothing panics. What goes to a program has no padding and so carries no
//! stray kernel byte ([`abi`]).
//!
//! | modules | about |
//! |---|---|
//! | [`user_loop`], [`delivery`], [`table`], [`call`], [`user`], [`current`], [`abi`] | the way in and out |
//! | `transfer`, `open`, `descriptor`, `stat`, `directory`, `names`, `attributes`, `xattr`, `mount` | files |
//! | `poll`, `select`, `epoll`, `eventfd`, `timerfd`, `signalfd` | waiting for files |
//! | `memory`, [`futex`], `out_of_memory` | memory |
//! | `clone`, [`execute`], `exit`, `wait`, `identity`, `credentials`, `resource`, `prctl` | processes |
//! | `signal`, `kill` | signals |
//! | `ptrace`, `traced_call`, `process_vm` | tracing |
//! | `clock`, `sleep`, `timer`, `posix_timer` | time |
//! | `sysv`, `semaphore`, `message`, `shared_memory`, `message_queue` | talking without files |
//! | `schedule`, `system`, `kernel_log`, `reboot`, `socket` | the rest |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod abi;
mod adjtimex;
mod attributes;
pub mod call;
mod clock;
mod clone;
mod credentials;
pub mod current;
pub mod delivery;
mod descriptor;
mod directory;
mod epoll;
mod eventfd;
pub mod execute;
mod exit;
pub mod futex;
mod identity;
mod inotify;
mod kernel_log;
mod kill;
mod membarrier;
mod memory;
mod message;
mod message_queue;
mod mount;
mod names;
mod open;
mod out_of_memory;
mod poll;
mod posix_timer;
mod prctl;
mod process_vm;
mod ptrace;
mod reboot;
mod resource;
mod rseq;
mod schedule;
mod select;
mod semaphore;
mod shared_memory;
mod signal;
mod signalfd;
mod sleep;
mod socket;
mod splice;
mod stat;
mod system;
mod sysv;
pub mod table;
mod timer;
mod timerfd;
mod traced_call;
mod transfer;
pub mod user;
pub mod user_loop;
mod wait;
mod xattr;

pub use execute::run_program;
pub use posix_timer::show_timers;
pub use user_loop::user_fault;

/// Ties this crate to those below it; once, before the first user task.
pub fn init() {
    process::set_process_end_hook(|process| {
        posix_timer::release_of(process);
        ipc::semaphore::undo_all(process.pid().number());
    });
    process::set_memory_release_hook(|| {
        futex::release_current_thread();
        posix_timer::release();
    });
    process::signal::set_timer_signal_hook(posix_timer::signal_taken);
    netlink::init();
}
