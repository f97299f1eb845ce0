//! Many seeds on all the host's processors.
//!
//! The parent forks workers, each worker forks a child for each of its seeds. Seeds are dealt out
//! in turn, and a worker stops when another has failed at a lower seed than its next: so the
//! failure that is reported is always that of the lowest failing seed, however many workers there
//! are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::outcome::{Failure, Outcome};
use crate::run::{reap, run_dyn};
use crate::sim::Config;

/// How often `progress` is called, in milliseconds.
const PROGRESS_PERIOD: libc::c_int = 200;

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Worker processes.
    pub jobs: usize,
}

/// Sums over the runs of a batch that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Points that were passed.
    pub points: u64,
    /// Virtual nanoseconds.
    pub nanoseconds: u64,
    /// What the runs have used of the host's processors.
    pub processor_time: Duration,
}

/// What the workers share.
#[derive(Debug)]
struct Shared {
    runs: AtomicU64,
    points: AtomicU64,
    nanoseconds: AtomicU64,
    lowest_failure: AtomicU64,
}

/// Runs `entry` with each seed of the batch, on the machine that `config` gives for it. `progress`
/// is told now and then how many runs are done.
///
/// # Errors
/// The failure of the lowest seed that fails.
pub fn run_batch(
    batch: Batch,
    config: &dyn Fn(u64) -> Config,
    entry: &dyn Fn(),
    progress: &mut dyn FnMut(u64),
) -> Result<Totals, Box<Failure>> {
    crate::crash::take_over_panics();
    let broken = |what: &str| {
        Box::new(Failure {
            message: format!("{what}: {}", std::io::Error::last_os_error()),
            seed: batch.first,
            ..Failure::default()
        })
    };
    let shared = share().ok_or_else(|| broken("no shared memory"))?;
    shared.lowest_failure.store(u64::MAX, Relaxed);

    let used_before = used_by_children();
    let jobs = (batch.jobs.max(1) as u64).min(batch.count.max(1));
    let mut workers = Vec::new();
    for number in 0..jobs {
        let worker = Worker::start(|pipe| work(batch, number, jobs, shared, config, entry, pipe));
        workers.push(worker.ok_or_else(|| broken("no process"))?);
    }
    let mut answers: Vec<Vec<u8>> = workers.iter().map(|_| Vec::new()).collect();
    while workers.iter().any(|worker| worker.pipe.is_some()) {
        collect(&mut workers, &mut answers);
        progress(shared.runs.load(Relaxed));
    }
    let statuses: Vec<_> = workers.iter().map(|worker| reap(worker.pid)).collect();

    let failures = answers.iter().filter_map(|bytes| match Outcome::decode_last(bytes) {
        Some(Outcome::Failed(failure)) => Some(failure),
        _ => None,
    });
    if let Some(failure) = failures.min_by_key(|failure| failure.seed) {
        return Err(Box::new(failure));
    }
    if let Some(status) = statuses.iter().find(|&&status| status != 0) {
        return Err(broken(&format!("a worker died with wait status {status}")));
    }
    Ok(Totals {
        runs: shared.runs.load(Relaxed),
        points: shared.points.load(Relaxed),
        nanoseconds: shared.nanoseconds.load(Relaxed),
        processor_time: used_by_children().saturating_sub(used_before),
    })
}

/// The processor time of all children that have been waited for, and of theirs.
fn used_by_children() -> Duration {
    // SAFETY: zeros are a valid `rusage`, which lives through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let time = |value: libc::timeval| {
        Duration::new(value.tv_sec as u64, 0) + Duration::from_micros(value.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A worker's life: every `jobs`th seed, up to the first failure.
fn work(
    batch: Batch,
    number: u64,
    jobs: u64,
    shared: &Shared,
    config: &dyn Fn(u64) -> Config,
    entry: &dyn Fn(),
    mut pipe: File,
) {
    for seed in (number..batch.count).step_by(jobs as usize).map(|offset| batch.first + offset) {
        if shared.lowest_failure.load(Relaxed) < seed {
            return;
        }
        match run_dyn(&config(seed), entry) {
            Outcome::Passed(summary) => {
                shared.runs.fetch_add(1, Relaxed);
                shared.points.fetch_add(summary.points, Relaxed);
                shared.nanoseconds.fetch_add(summary.nanoseconds, Relaxed);
            }
            Outcome::Failed(failure) => {
                shared.lowest_failure.fetch_min(seed, Relaxed);
                // If the parent is gone nobody wants to know.
                let _ = pipe.write_all(&Outcome::Failed(failure).encode());
                return;
            }
        }
    }
}

/// A worker process, as the parent sees it.
struct Worker {
    pid: libc::pid_t,
    /// `None`: it has said everything.
    pipe: Option<File>,
}

impl Worker {
    fn start(body: impl FnOnce(File)) -> Option<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return None;
        }
        // SAFETY: the descriptors are new and nobody else's.
        let [from_worker, to_parent] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        // SAFETY: as in `run`: only this thread goes on in the child.
        match unsafe { crate::run::fork() } {
            -1 => None,
            0 => {
                drop(from_worker);
                // SAFETY: plain system call; a worker without a parent has nothing to work for.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                body(File::from(to_parent));
                // SAFETY: ends the process without running what the parent registered for its own
                // end.
                unsafe { libc::_exit(0) }
            }
            pid => Some(Self { pid, pipe: Some(File::from(from_worker)) }),
        }
    }
}

/// Reads what the workers have written, waiting a little for more.
fn collect(workers: &mut [Worker], answers: &mut [Vec<u8>]) {
    let mut polls: Vec<libc::pollfd> = workers
        .iter()
        .map(|worker| libc::pollfd {
            // A negative descriptor is passed over.
            fd: worker.pipe.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // SAFETY: the array lives through the call, and its length is right.
    let ready =
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, PROGRESS_PERIOD) };
    if ready <= 0 {
        return;
    }
    for ((worker, answer), poll) in workers.iter_mut().zip(answers).zip(&polls) {
        if poll.revents == 0 {
            continue;
        }
        let mut buffer = [0; 4096];
        match worker.pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut buffer)) {
            Ok(0) | Err(_) => worker.pipe = None,
            Ok(count) => answer.extend(&buffer[..count]),
        }
    }
}

/// Memory that the workers share with the parent. It stays for the life of the process.
fn share() -> Option<&'static Shared> {
    // SAFETY: a new mapping of the host's choice.
    let place = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            size_of::<Shared>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    // SAFETY: the mapping is big enough, aligned to a page, never unmapped, and zeros are a valid
    // `Shared`.
    (place != libc::MAP_FAILED).then(|| unsafe { &*place.cast::<Shared>() })
}
