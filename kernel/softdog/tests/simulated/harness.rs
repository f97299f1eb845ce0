//! A kernel that is just enough for `/dev/watchdog`: PID 1 runs the test at the root of devtmpfs, with sysfs on `/sys` and a page
//! of user memory for the arguments of `ioctl`; PID 2 is kthreadd.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use contract::Upcalls;
use errno::Result;
pub(crate) use fixture::processes::dawdle;
use fixture::user_page;
pub(crate) use fixture_threads::{join, spawn};
use fs::{File, OpenFlags};
use kthread::Handle;
use time::SECOND;

/// Where the device is.
pub(crate) const DOG: &str = "/watchdog";
/// And what `/sys` has of it.
pub(crate) const CLASS: &str = "/sys/class/watchdog/watchdog0";
pub(crate) const DRIVER: &str = "/sys/bus/platform/drivers/softdog";

/// Runs a test as PID 1 of a fresh kernel, over some seeds. `prepare` is the command line.
pub(crate) fn over_seeds(seeds: u64, cpus: usize, prepare: fn(), test: fn()) {
    fixture::over_seeds(seeds, cpus, || {
        fixture_threads::boot(&UPCALLS, move || {
            fs::init().unwrap();
            device::init().unwrap();
            sysfs::init().unwrap();
            prepare();
            softdog::init().unwrap();
            user_page::give();
            test();
        });
    });
}

/// A command line that says nothing.
pub(crate) fn plain() {}

static UPCALLS: Upcalls = Upcalls { user_fault: user_page::user_fault, ..fixture::UPCALLS };

/// A program's view of devtmpfs, and what these tests do there.
pub(crate) struct World(fixture_threads::World);

impl Deref for World {
    type Target = fixture_threads::World;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self(fixture_threads::World::new())
    }

    /// Opens the watchdog.
    pub(crate) fn dog(&self) -> Result<Arc<File>> {
        self.open(DOG, OpenFlags::RDWR)
    }

    pub(crate) fn store(&self, path: &str, value: &str) -> Result<()> {
        write(&*self.open(path, OpenFlags::WRONLY)?, value.as_bytes())
    }

    /// What `/sys` says of the watchdog.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.read(&format!("{CLASS}/{name}")).unwrap().trim_end().to_owned()
    }
}

/// Writes all.
pub(crate) fn write(file: &File, mut bytes: &[u8]) -> Result<()> {
    let length = bytes.len();
    assert_eq!(file.write(&mut bytes)?, length);
    Ok(())
}

/// A command whose argument goes in and comes out.
pub(crate) fn ioctl(file: &File, command: u32, argument: u32) -> Result<u32> {
    let address = user_page::address();
    machine::user::copy_to(address, &argument.to_ne_bytes()).unwrap();
    file.ioctl(command, address)?;
    let mut result = [0; 4];
    machine::user::copy_from(address, &mut result).unwrap();
    Ok(u32::from_ne_bytes(result))
}

/// A thread of one CPU, and what it will have found.
pub(crate) struct Finding<T> {
    thread: Handle,
    found: Arc<Mutex<Option<T>>>,
}

impl<T> Finding<T> {
    /// Waits for it.
    pub(crate) fn take(self) -> T {
        join(self.thread);
        self.found.lock().unwrap().take().unwrap()
    }
}

/// Starts a thread of the kernel on a CPU.
pub(crate) fn spawn_on<T: Send + 'static>(
    cpu: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> Finding<T> {
    let found = Arc::new(Mutex::new(None));
    let theirs = found.clone();
    let run = move |_: &kthread::This| {
        let result = body();
        *theirs.lock().unwrap() = Some(result);
        0
    };
    let thread = kthread::Builder::new(format_args!("test/{cpu}")).cpu(cpu).run(run).unwrap();
    Finding { thread, found }
}

pub(crate) fn sleep(seconds: u64) {
    sched::sleep_for(seconds * SECOND);
}

/// When the machine is to end.
static END: AtomicU64 = AtomicU64::new(0);
/// The simulated machine's timers fire late, by less.
const LATE: u64 = SECOND / 2;
/// So much goes by at most between what counts and the call that says so.
const EARLY: u64 = SECOND / 1000;

fn look_at_the_time() {
    let (now, end) = (time::monotonic(), END.load(Ordering::SeqCst));
    let in_time = (end - EARLY..end + LATE).contains(&now);
    if !in_time {
        machine::sim::fail(&format!("the end came at {now}, not at {end}"));
    }
}

/// The machine is to be reset in so many seconds from now on; the test has failed if it goes on.
pub(crate) fn reset_in(seconds: u64) -> ! {
    END.store(time::monotonic() + seconds * SECOND, Ordering::SeqCst);
    machine::sim::expect_reset(look_at_the_time);
    sleep(seconds + 2);
    panic!("the machine was not reset");
}

/// The kernel is to panic in so many seconds from now on, with these words.
pub(crate) fn panic_in(seconds: u64, words: &'static str) -> ! {
    static WORDS: sync::Once<&str> = sync::Once::new();
    END.store(time::monotonic() + seconds * SECOND, Ordering::SeqCst);
    assert!(WORDS.set(words).is_ok());
    kthread::oops::set_final_hook(|message| {
        look_at_the_time();
        match message.contains(WORDS.get().unwrap()) {
            true => machine::sim::pass(),
            false => machine::sim::fail(message),
        }
    });
    sleep(seconds + 2);
    panic!("the kernel did not panic");
}
