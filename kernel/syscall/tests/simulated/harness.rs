//! A process with memory and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use contract::Upcalls;
use errno::Errno;
pub(crate) use fixture::processes::dawdle;
use fixture::processes::{self, registers};
use machine::user;
use process::CloneFlags;
use syscall::call::Call;
use syscall::user::UserPtr;
use vm::Mm;

static UPCALLS: Upcalls = Upcalls { user_fault: syscall::user_fault, ..fixture::UPCALLS };

const THREAD: CloneFlags = CloneFlags::VM.union(CloneFlags::SIGHAND).union(CloneFlags::THREAD);

/// Runs a test as the first thread of a process with a page of memory, whose address it gets, over some seeds. What it has started must be gone in the end.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, test: fn(usize)) {
    fixture::over_seeds(seeds, cpus, || {
        processes::boot(&UPCALLS, processes::sleep_for_ever, move || {
            syscall::init();
            let mm = Mm::new().unwrap();
            let page = mm.mmap(&fixture::anonymous(1)).unwrap();
            process::set_current_mm(Some(mm.clone()));
            sched::use_address_space(Some(mm.address_space().clone()));
            test(page);
            let end = time::monotonic() + time::SECOND;
            while process::live_pids() > 2 {
                assert!(time::monotonic() < end, "threads are left");
                sched::sleep_for(time::MILLISECOND);
            }
            sched::use_address_space(None);
            process::set_current_mm(None);
        });
    });
}

/// Threads that have been started, and how many of them have ended.
#[derive(Clone, Default)]
pub(crate) struct Threads {
    started: u32,
    ended: Arc<AtomicU32>,
}

impl Threads {
    /// Starts one more, and returns its number.
    pub(crate) fn start(&mut self, body: impl FnOnce() + Send + 'static) -> u32 {
        self.started += 1;
        let ended = self.ended.clone();
        processes::clone_with(
            THREAD,
            || None,
            move || {
                body();
                ended.fetch_add(1, SeqCst);
                0
            },
        )
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.ended.load(SeqCst) == self.started
    }

    pub(crate) fn join(&self) {
        while !self.have_ended() {
            sched::sleep_for(10_000);
        }
    }
}

/// The system call `futex`, with numbers only.
pub(crate) fn futex(
    word: usize,
    operation: u32,
    value: u32,
    fourth: usize,
    second: usize,
    third: u32,
) -> Result<usize, Errno> {
    let (mut context, mut restart) = (registers(), None);
    let mut call = Call::new(&mut context, &mut restart);
    syscall::futex::futex(&mut call, word, operation, value, UserPtr::new(fourth), second, third)
}

/// Writes when `nanoseconds` from now is, on the monotonic clock, into user memory.
pub(crate) fn write_moment(address: usize, nanoseconds: u64) {
    let time = time::monotonic() + nanoseconds;
    let parts = [time / time::SECOND, time % time::SECOND];
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_ne_bytes()).collect();
    user::copy_to(address, &bytes).unwrap();
}
