//! A process that makes calls until it dies of one.

use crate::arguments::{self, ARENA_WORDS};
use crate::forbidden::{self, NUMBERS};
use crate::leak;
use crate::shared::{Leak, Shared};
use crate::systematic;
use crate::tracee::Tracee;
use runtime::memory::{self, PROT_READ, PROT_WRITE};
use runtime::random::Random;
use runtime::{file, process, sys};

/// What the arena is filled with: harmless sizes, flags and descriptors.
const FILLINGS: [u64; 4] = [0, 1, 0x5a5a_5a5a_5a5a_5a5a, 0x0000_0008_0000_0003];

/// One in so many turns, a child is traced as well.
const TURNS_BETWEEN_REQUESTS: u64 = 16;

/// Runs until the end, in this place among the workers.
pub(crate) fn run(shared: &Shared, place: usize, seed: u64) -> ! {
    // A session of its own keeps it from the terminal and makes it the leader of what it forks.
    let _ = process::new_session();
    for descriptor in 0..3 {
        let _ = file::close(descriptor);
    }
    let Ok(arena) = map_arena() else { process::exit(1) };
    let tracee = Tracee::new();
    let mut worker = Worker { shared, seed, random: Random::new(seed), arena, tracee };
    loop {
        shared.count_call(place);
        worker.turn();
    }
}

/// Maps the arena, with a page behind it that may not be touched: what is written beyond the arena must not reach
/// what is shared with the supervisor.
fn map_arena() -> runtime::Result<*mut u64> {
    const GUARD: usize = 4096;
    let length = ARENA_WORDS * 8;
    let arena = memory::map(length + GUARD, PROT_READ | PROT_WRITE, false)?;
    // SAFETY: nothing uses the new page.
    unsafe { memory::protect(arena + length, GUARD, 0)? };
    Ok(arena as *mut u64)
}

struct Worker<'a> {
    shared: &'a Shared,
    seed: u64,
    random: Random,
    arena: *mut u64,
    tracee: Tracee,
}

impl Worker<'_> {
    /// One call, of either part.
    fn turn(&mut self) {
        let good = self.arena as usize;
        if self.random.below(TURNS_BETWEEN_REQUESTS) == 0 {
            self.tracee.turn(&mut self.random, good);
        }
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
