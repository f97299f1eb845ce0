//! Futexes with owners that inherit priorities, as programs see them.
//!
//! It prints one line for each part that works, and panics at the first that does not.

mod calls;
mod mutexes;
mod owners;
mod requeue;

fn main() {
    owners::words();
    owners::times();
    owners::wrong_words();
    owners::inheritance();
    owners::chain();
    owners::deadlock();
    owners::dead();
    owners::shared();
    owners::signals();
    requeue::moved();
    requeue::refused();
    requeue::early();
    mutexes::robust();
    mutexes::conditions();
}
