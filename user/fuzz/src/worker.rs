//! A process that makes calls until it dies of one.

use crate::arguments::{self, ARENA_WORDS};
use crate::forbidden::{self, NUMBERS};
use crate::leak;
use crate::shared::{Leak, Shared};
use crate::systematic;
use runtime::memory::{self, PROT_READ, PROT_WRITE};
use runtime::random::Random;
use runtime::{file, process, sys};

/// Calls between two messages to the supervisor.
const CALLS_PER_REPORT: u64 = 32;

/// What the arena is filled with: harmless sizes, flags and descriptors.
const FILLINGS: [u64; 4] = [0, 1, 0x5a5a_5a5a_5a5a_5a5a, 0x0000_0008_0000_0003];

/// Runs until the end.
pub fn run(shared: &Shared, seed: u64) -> ! {
    // A session of its own keeps it from the terminal and makes it the leader of what it forks.
    let _ = process::new_session();
    for descriptor in 0..3 {
        let _ = file::close(descriptor);
    }
    let Ok(page) = memory::map(ARENA_WORDS * 8, PROT_READ | PROT_WRITE, false) else {
        process::exit(1)
    };
    let mut worker = Worker { shared, seed, random: Random::new(seed), arena: page as *mut u64 };
    loop {
        for _ in 0..CALLS_PER_REPORT {
            worker.turn();
        }
        shared.add_calls(CALLS_PER_REPORT);
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    seed: u64,
    random: Random,
    arena: *mut u64,
}

impl Worker<'_> {
    /// One call, of either part.
    fn turn(&mut self) {
        let good = self.arena as usize;
        let (number, arguments) = match systematic::next(self.shared, good) {
            Some(step) => (step.number, step.arguments),
            None => {
                let number = self.random.below(NUMBERS);
                let arguments = [(); 6].map(|()| arguments::choose(&mut self.random, good));
                (number, arguments)
            }
        };
        if !forbidden::is_forbidden(number) {
            self.call(number, arguments);
        }
    }

    fn call(&mut self, number: u64, arguments: [usize; 6]) {
        let filling = self.random.pick(&FILLINGS);
        for index in 0..ARENA_WORDS {
            // SAFETY: within the arena. Volatile: the kernel reads it. Should a call have unmapped it, the worker
            // dies and another one takes its place.
            unsafe { self.arena.add(index).write_volatile(filling) };
        }
        // SAFETY: not sound, and meant: the call may do anything to this process, which nobody will miss.
        let returned = unsafe { sys::call(number as usize, arguments) };
        if returned == 0 && forbidden::makes_process(number) {
            process::exit(0);
        }
        let mut memory = [0; ARENA_WORDS];
        for (index, word) in memory.iter_mut().enumerate() {
            // SAFETY: as above.
            *word = unsafe { self.arena.add(index).read_volatile() };
        }
        if let Some(value) = leak::find(number, &memory, returned) {
            self.shared.tell(Leak { call: number, value, seed: self.seed });
        }
    }
}
