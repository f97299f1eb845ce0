//! What processes talk through without files or sockets, as programs see it: System V's message queues and shared memory,
//! and POSIX message queues.
//!
//! It prints one line for each part that works, and panics at the first that does not. It leaves nothing behind.

mod calls;
mod memory;
mod message;
mod posix;

fn main() {
    message::types();
    message::limits();
    message::permissions();
    message::waiting();
    memory::attaching();
    memory::removal();
    memory::refused();
    posix::priorities();
    posix::names();
    posix::waiting();
    posix::notification();
    posix::files();
}
