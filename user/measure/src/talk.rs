//! Tasks that wait for each other.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use runtime::process::{self, Fork};
use runtime::thread::{self, Stack, Thread};
use runtime::{Result, file};

use crate::processes::ended_well;
use crate::{Workload, average};

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "pipe_ping_pong", measure: || ring(2) },
    Workload { name: "switch_16_processes", measure: || Ok(ring(16)? / 16) },
    Workload { name: "futex_ping_pong", measure: futex_ping_pong },
];

const TURNS: u64 = 300;

/// A byte goes round through pipes from process to process; the figure is for a whole round.
fn ring(processes: usize) -> Result<u64> {
    const MANY: usize = 16;
    let mut pids = [0; MANY];
    let (mut from, first) = file::pipe()?;
    for pid in &mut pids[1..processes] {
        let (next_from, to) = file::pipe()?;
        match process::fork()? {
            Fork::Child => {
                file::close(first)?;
                pass_on(from, to)
            }
            Fork::Parent(child) => *pid = child,
        }
        file::close(from)?;
        file::close(to)?;
        from = next_from;
    }
    let mut byte = [0; 1];
    let figure = average(TURNS, || {
        file::write(first, &byte)?;
        file::read(from, &mut byte).map(drop)
    });
    // The first of the others sees the end of its pipe, goes, and so they all do.
    file::close(first)?;
    for &pid in &pids[1..processes] {
        ended_well(pid)?;
    }
    file::close(from)?;
    figure
}

fn pass_on(from: i32, to: i32) -> ! {
    let mut byte = [0; 1];
    while let Ok(1) = file::read(from, &mut byte) {
        if file::write(to, &byte).is_err() {
            process::exit(1);
        }
    }
    process::exit(0)
}

/// Whose turn it is: 0 the first thread's, 1 the other's, 2 nobody's any more.
static TURN: AtomicU32 = AtomicU32::new(0);

/// Two threads hand a word to each other, each asleep until it has it.
fn futex_ping_pong() -> Result<u64> {
    extern "C" fn answer(_: usize) {
        while wait_for(|turn| turn != 0) == 1 {
            hand_over(0);
        }
    }
    let mut stack = Stack::new()?;
    let number = AtomicU32::new(0);
    let other = Thread::start(&mut stack, &number, answer, 0)?;
    let figure = average(TURNS, || {
        hand_over(1);
        wait_for(|turn| turn == 0);
        Ok(())
    });
    hand_over(2);
    drop(other);
    TURN.store(0, SeqCst);
    figure
}

fn wait_for(wanted: impl Fn(u32) -> bool) -> u32 {
    loop {
        let turn = TURN.load(SeqCst);
        if wanted(turn) {
            return turn;
        }
        thread::wait(&TURN, turn);
    }
}

fn hand_over(to: u32) {
    TURN.store(to, SeqCst);
    thread::wake(&TURN);
}
