//! A hostile program: `fuzz SECONDS [SEED [PROCESSES [MORE]]]`.
//!
//! Its worker processes make system calls that nobody in their right mind would: first every call with
//! every kind of bad pointer in every place ([`systematic`]), then numbers and arguments by chance. This process only looks after them: it starts
//! one for each that died and kills those that got stuck. Afterwards the kernel must still be there, and nothing that
//! it wrote for a worker may have looked like one of its own addresses ([`leak`]). On a slow machine, where the first part is not done by the end of
//! its time, it goes on with that for so many seconds more.
#![no_std]
#![no_main]

mod arguments;
mod forbidden;
mod leak;
mod leftovers;
mod shared;
mod systematic;
mod tracee;
mod worker;

use runtime::process::{self, Fork};
use runtime::string;
use shared::Shared;

runtime::program!(main);

const PROCESSES_MAX: usize = 16;

/// How often the workers are looked after, in milliseconds.
const INTERVAL: u64 = 20;

/// A worker that has made no call for so many looks is stuck in one that waits.
const STUCK: u32 = 3;

const SIGKILL: i32 = 9;

fn main(arguments: runtime::Arguments) -> i32 {
    let mut numbers = arguments.skip(1).map(|argument| string::number(argument.to_bytes()));
    let (Some(seconds), seed, processes, more) = (
        numbers.next().unwrap_or(Some(10)),
        numbers.next().unwrap_or(Some(1)).unwrap_or(1),
        numbers.next().unwrap_or(Some(4)).unwrap_or(4),
        numbers.next().unwrap_or(Some(0)).unwrap_or(0),
    ) else {
        runtime::eprintln!("usage: fuzz SECONDS [SEED [PROCESSES [MORE]]]");
        return 2;
    };
    let processes = (processes as usize).clamp(1, PROCESSES_MAX);
    let shared = match Shared::new() {
        Ok(shared) => shared,
        Err(error) => {
            runtime::eprintln!("fuzz: mmap: error {}", error.0);
            return 2;
        }
    };
    let end = process::seconds() + seconds;
    let mut supervisor = Supervisor { shared, workers: [None; PROCESSES_MAX], seed, started: 0 };
    let goes_on = || {
        let now = process::seconds();
        now < end || now < end + more && !systematic::is_done(shared)
    };
    while goes_on() && shared.leak().is_none() {
        supervisor.reap();
        supervisor.kill_stuck();
        if let Err(error) = supervisor.start_missing(processes) {
            // Out of memory or processes for now: that is the workers' doing and no failure.
            if supervisor.started == 0 {
                runtime::eprintln!("fuzz: fork: error {}", error.0);
                return 2;
            }
        }
        process::sleep(INTERVAL);
    }
    supervisor.kill_all();
    while process::wait(None).is_ok() {}
    leftovers::remove_all();
    supervisor.report()
}

struct Supervisor {
    shared: &'static Shared,
    workers: [Option<Worker>; PROCESSES_MAX],
    seed: u64,
    started: u64,
}

#[derive(Clone, Copy)]
struct Worker {
    pid: i32,
    /// Calls that its place had made when it was last looked at.
    calls: u64,
    /// For how many looks that has not changed.
    quiet: u32,
}

impl Worker {
    /// Kills it and the processes that it made: it leads a group, unless it has not come that far yet.
    fn kill(&self) {
        // It may have died on its own.
        let _ = process::kill(-self.pid, SIGKILL);
        let _ = process::kill(self.pid, SIGKILL);
    }
}

impl Supervisor {
    fn start_missing(&mut self, processes: usize) -> runtime::Result<()> {
        for index in 0..processes {
            if self.workers[index].is_some() {
                continue;
            }
            let seed = self.seed.wrapping_mul(0x1_0000_0001).wrapping_add(self.started);
            match process::fork()? {
                Fork::Child => worker::run(self.shared, index, seed),
                Fork::Parent(pid) => {
                    self.workers[index] = Some(Worker { pid, calls: 0, quiet: 0 });
                    self.started += 1;
                }
            }
        }
        Ok(())
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, _))) = process::try_wait() {
            for place in &mut self.workers {
                if place.is_some_and(|worker| worker.pid == pid) {
                    *place = None;
                }
            }
        }
    }

    /// Kills the workers that make no calls any more.
    fn kill_stuck(&mut self) {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let Some(worker) = worker else { continue };
            let calls = self.shared.calls_of(index);
            worker.quiet = if calls == worker.calls { worker.quiet + 1 } else { 0 };
            worker.calls = calls;
            if worker.quiet >= STUCK {
                worker.kill();
            }
        }
    }

    fn kill_all(&self) {
        for worker in self.workers.iter().flatten() {
            worker.kill();
        }
    }

    fn report(&self) -> i32 {
        let (calls, started) = (self.shared.calls(), self.started);
        let systematic = systematic::progress(self.shared);
        runtime::println!("fuzz: {calls} calls by {started} processes, {systematic}");
        if let Some(leak) = self.shared.leak() {
            runtime::println!(
                "fuzz: system call {} gave away {:#x} (worker seed {})",
                leak.call,
                leak.value,
                leak.seed
            );
            return 1;
        }
        0
    }
}
