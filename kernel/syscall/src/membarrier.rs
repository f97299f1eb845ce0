//! `membarrier`: a memory barrier in all threads of a program, or of all programs.

use errno::{Errno, Result};
use process::Thread;
use sched::RSEQ_RESTART;
use vm::{Barriers, Mm};

use crate::current;

const GLOBAL: u32 = 1 << 0;
const GLOBAL_EXPEDITED: u32 = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: u32 = 1 << 2;
const PRIVATE_EXPEDITED: u32 = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: u32 = 1 << 4;
const PRIVATE_EXPEDITED_SYNC_CORE: u32 = 1 << 5;
const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u32 = 1 << 6;
const PRIVATE_EXPEDITED_RSEQ: u32 = 1 << 7;
const REGISTER_PRIVATE_EXPEDITED_RSEQ: u32 = 1 << 8;
/// All of them.
const COMMANDS: u32 = (1 << 9) - 1;

/// With [`PRIVATE_EXPEDITED_RSEQ`]: on one CPU only.
const FLAG_CPU: u32 = 1 << 0;

/// `membarrier`.
pub(crate) fn membarrier(command: u32, flags: u32, cpu: i32) -> Result<usize> {
    let known_flags = if command == PRIVATE_EXPEDITED_RSEQ { FLAG_CPU } else { 0 };
    if flags & !known_flags != 0 {
        return Err(Errno::EINVAL);
    }
    let mm = current::mm()?;
    match command {
        0 => return Ok(COMMANDS as usize),
        GLOBAL | GLOBAL_EXPEDITED => machine::memory::barrier(),
        // All CPUs are asked, whoever runs there.
        REGISTER_GLOBAL_EXPEDITED => {}
        REGISTER_PRIVATE_EXPEDITED => mm.register_barriers(Barriers::MEMORY),
        REGISTER_PRIVATE_EXPEDITED_SYNC_CORE => mm.register_barriers(Barriers::SYNC_CORE),
        REGISTER_PRIVATE_EXPEDITED_RSEQ => mm.register_barriers(Barriers::RSEQ),
        PRIVATE_EXPEDITED => private(&mm, Barriers::MEMORY)?,
        PRIVATE_EXPEDITED_SYNC_CORE => private(&mm, Barriers::SYNC_CORE)?,
        PRIVATE_EXPEDITED_RSEQ => {
            let is_there = usize::try_from(cpu).is_ok_and(|cpu| cpu < machine::cpu::count());
            if flags & FLAG_CPU != 0 && !is_there {
                return Err(Errno::EINVAL);
            }
            private(&mm, Barriers::RSEQ)?;
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn private(mm: &Mm, kind: Barriers) -> Result<()> {
    if !mm.barriers().contains(kind) {
        return Err(Errno::EPERM);
    }
    if kind == Barriers::RSEQ {
        start_sequences_over();
    }
    mm.barrier();
    Ok(())
}

/// Has each thread start its sequence over. Who is in user mode is interrupted next, and who is about to go there with
/// interrupts off, too.
fn start_sequences_over() {
    for task in &current::process().threads() {
        if Thread::of(task).rseq().registration().is_some() {
            task.add_signal(RSEQ_RESTART);
        }
    }
}
