//! A program's timers, as it sees them: sleeps, timer files, interval timers, POSIX timers.
//!
//! With the word `dates`: timers on a date that is set, for root.
//!
//! It prints one line for each kind that works, and panics at the first that does not.

mod adjust;
mod calls;
mod dates;

use calls::{Id, Info, TimerFile, micro, milli};
use libc::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID, EAGAIN, EINVAL, EOPNOTSUPP, ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL,
    SIGALRM, SIGEV_NONE, SIGEV_THREAD, SIGPROF, SIGRTMIN, SIGUSR1, SIGVTALRM, TFD_NONBLOCK,
    TFD_TIMER_ABSTIME,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    // For all threads: signals are waited for, never handled.
    for signal in [SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGRTMIN()] {
        calls::block(signal);
    }
    if std::env::args().nth(1).as_deref() == Some("dates") {
        return dates::all();
    }
    sleeps();
    timer_files();
    what_is_known_of_timer_files();
    interval_timers();
    cpu_interval_timers();
    posix_timers();
    what_is_known_of_posix_timers();
    overruns();
    cpu_timers();
    clocks_without_timers();
}

/// Uses so much of this thread's CPU time.
fn compute(nanoseconds: u64) {
    let end = calls::now(CLOCK_THREAD_CPUTIME_ID) + nanoseconds;
    while calls::now(CLOCK_THREAD_CPUTIME_ID) < end {
        std::hint::spin_loop();
    }
}

/// The signal comes within so many nanoseconds, or not.
fn comes(signal: i32, within: u64) -> Option<Info> {
    calls::wait_for(signal, within)
}

fn sleeps() {
    for (clock, absolute) in [
        (CLOCK_MONOTONIC, false),
        (CLOCK_MONOTONIC, true),
        (CLOCK_REALTIME, false),
        (CLOCK_REALTIME, true),
    ] {
        let start = calls::now(clock);
        let length = milli(5);
        calls::sleep(clock, absolute, if absolute { start + length } else { length }).unwrap();
        assert!(calls::now(clock) >= start + length, "a sleep was cut short");
    }
    // One whose time has passed does not sleep.
    calls::sleep(CLOCK_MONOTONIC, true, 1).unwrap();
    assert_eq!(calls::sleep(CLOCK_THREAD_CPUTIME_ID, false, 1), Err(EINVAL));
    // Until this process has used CPU time, which another thread does.
    let over = Arc::new(AtomicBool::new(false));
    let theirs = over.clone();
    let busy = thread::spawn(move || {
        while !theirs.load(Relaxed) {
            std::hint::spin_loop();
        }
    });
    let start = calls::now(CLOCK_PROCESS_CPUTIME_ID);
    calls::sleep(CLOCK_PROCESS_CPUTIME_ID, false, milli(30)).unwrap();
    assert!(calls::now(CLOCK_PROCESS_CPUTIME_ID) >= start + milli(30));
    over.store(true, Relaxed);
    busy.join().unwrap();
    println!("sleeps");
}

fn timer_files() {
    let file = TimerFile::new(CLOCK_MONOTONIC, TFD_NONBLOCK);
    assert_eq!(file.expirations(), Err(EAGAIN));
    assert!(!file.is_readable(0));
    let start = Instant::now();
    file.set(0, milli(5), 0);
    assert!(file.is_readable(60_000), "poll did not see it");
    assert!(start.elapsed() >= Duration::from_millis(5), "it was early");
    assert_eq!(file.expirations(), Ok(1));
    assert_eq!(file.expirations(), Err(EAGAIN), "it expired twice");
    // Every millisecond; those that nobody reads add up.
    file.set(0, milli(1), milli(1));
    thread::sleep(Duration::from_millis(20));
    // Those of this CPU may come later than what wakes another.
    assert!(file.is_readable(60_000), "none has expired");
    let count = file.expirations().unwrap();
    assert!(count >= 19, "{count} expirations in 20 ms");
    let (left, interval) = file.get();
    assert!(left <= milli(1) && interval == milli(1));
    file.set(0, 0, 0);
    assert_eq!(file.get().0, 0);
    assert_eq!(file.expirations(), Err(EAGAIN), "it was switched off");
    // A time that has passed.
    file.set(TFD_TIMER_ABSTIME, 1, 0);
    assert!(file.is_readable(60_000));
    let date = TimerFile::new(CLOCK_REALTIME, 0);
    date.set(TFD_TIMER_ABSTIME, calls::now(CLOCK_REALTIME) + milli(3), 0);
    assert_eq!(date.expirations(), Ok(1));
    println!("timer files");
}

fn what_is_known_of_timer_files() {
    let hour = milli(3_600_000);
    let file = TimerFile::new(CLOCK_BOOTTIME, TFD_NONBLOCK);
    let told = "clockid: 7\nticks: 0\nsettime flags: 00\nit_value: (0, 0)\nit_interval: (0, 0)\n";
    assert_eq!(file.info(), told);
    file.set(0, hour, 5_000_000_007);
    let told = file.info();
    let (begin, end) =
        ("clockid: 7\nticks: 0\nsettime flags: 00\nit_value: (35", "it_interval: (5, 7)\n");
    assert!(told.starts_with(begin) && told.ends_with(end), "{told}");
    file.set(TFD_TIMER_ABSTIME, 1, 24 * hour);
    assert!(file.is_readable(60_000));
    let told =
        "clockid: 7\nticks: 1\nsettime flags: 01\nit_value: (0, 0)\nit_interval: (86400, 0)\n";
    assert_eq!(file.info(), told);
    // What somebody says has expired is in place of what has.
    assert_eq!(file.set_ticks(0), Err(EINVAL));
    assert_eq!(file.set_ticks(7), Ok(()));
    assert!(file.info().contains("ticks: 7\n"));
    assert_eq!(file.expirations(), Ok(7));
    assert_eq!(file.expirations(), Err(EAGAIN));
    file.set(0, hour, 0);
    assert_eq!(file.set_ticks(2), Ok(()));
    assert!(file.is_readable(0), "poll did not see it");
    assert_eq!(file.expirations(), Ok(2));
    // Setting it forgets them.
    assert_eq!(file.set_ticks(2), Ok(()));
    file.set(0, 0, 0);
    assert_eq!(file.expirations(), Err(EAGAIN));
    println!("what is known of timer files");
}

fn what_is_known_of_posix_timers() {
    let known = || std::fs::read_to_string("/proc/self/timers").unwrap();
    assert_eq!(known(), "");
    let (process, thread) = (std::process::id(), calls::thread_id());
    let first = Id::new(CLOCK_MONOTONIC, SIGUSR1, 77, None).unwrap();
    let second = Id::new(CLOCK_REALTIME, SIGRTMIN(), 0, Some(thread)).unwrap();
    let third = Id::notifying(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, SIGALRM).unwrap();
    let expected = format!(
        "ID: {}\nsignal: 10/000000000000004d\nnotify: signal/pid.{process}\nClockID: 1\n\
         ID: {}\nsignal: {}/0000000000000000\nnotify: signal/tid.{thread}\nClockID: 0\n\
         ID: {}\nsignal: 14/0000000000000000\nnotify: none/pid.{process}\nClockID: 2\n",
        first.number(),
        second.number(),
        SIGRTMIN(),
        third.number(),
    );
    assert_eq!(known(), expected);
    drop((first, second, third));
    assert_eq!(known(), "");
    println!("what is known of POSIX timers");
}

fn interval_timers() {
    let start = Instant::now();
    calls::set_interval(ITIMER_REAL, milli(4), milli(4));
    for turn in 1..=3 {
        assert!(comes(SIGALRM, milli(60_000)).is_some(), "no SIGALRM");
        assert!(start.elapsed() >= Duration::from_millis(4 * turn), "SIGALRM {turn} was early");
    }
    // Less than a microsecond is shown as nothing.
    let left = (0..100).map(|_| calls::interval(ITIMER_REAL)).find(|(left, _)| *left > 0);
    assert!(left.is_some_and(|(left, interval)| left <= milli(4) && interval == milli(4)));
    calls::set_interval(ITIMER_REAL, 0, 0);
    let _ = comes(SIGALRM, 0);
    assert!(comes(SIGALRM, milli(12)).is_none(), "SIGALRM after it was switched off");
    println!("interval timers");
}

/// Starts a timer on used CPU time, and sleeps for longer than it goes: that is no CPU time. Unless the host held this CPU up before the sleep,
/// which counts: then the clock says so, and it is started again.
fn sleep_through(clock: i32, length: u64, signal: i32, start: impl Fn()) {
    loop {
        let before = calls::now(clock);
        start();
        if comes(signal, length + milli(100)).is_none() {
            return;
        }
        // It counts ticks of at most 10 ms.
        assert!(calls::now(clock) - before + milli(20) >= length, "a sleeper's CPU time passed");
    }
}

fn cpu_interval_timers() {
    for (which, signal) in [(ITIMER_VIRTUAL, SIGVTALRM), (ITIMER_PROF, SIGPROF)] {
        let start = calls::now(CLOCK_PROCESS_CPUTIME_ID);
        sleep_through(CLOCK_PROCESS_CPUTIME_ID, milli(300), signal, || {
            calls::set_interval(which, milli(300), 0);
        });
        // CPU time is counted in ticks of at most 10 ms, and the one that goes on counts for none.
        let (left, _) = calls::interval(which);
        assert!(left > 0 && left <= milli(310), "{left} ns are left of 300 ms");
        let mut turns = 0;
        while comes(signal, 0).is_none() {
            compute(milli(5));
            turns += 1;
            assert!(turns < 4_000, "no signal after 20 s of CPU time");
        }
        // Some of the time before was counted, too, but little.
        let used = calls::now(CLOCK_PROCESS_CPUTIME_ID) - start;
        assert!(used >= milli(30), "the signal came after {used} ns");
        assert_eq!(calls::interval(which).0, 0);
    }
    println!("CPU interval timers");
}

fn posix_timers() {
    for (clock, absolute) in [(CLOCK_MONOTONIC, false), (CLOCK_REALTIME, true)] {
        let timer = Id::new(clock, SIGRTMIN(), 77, None).unwrap();
        let begin = calls::now(clock);
        let value = if absolute { begin + milli(5) } else { milli(5) };
        timer.set(absolute, value, 0);
        assert!(timer.get().0 > 0 || calls::now(clock) >= begin + milli(5), "it is not armed");
        let info = comes(SIGRTMIN(), milli(60_000)).expect("no signal");
        assert!(calls::now(clock) >= begin + milli(5), "it was early");
        assert_eq!((info.value, info.overrun), (77, 0));
        assert_eq!(timer.get().0, 0);
    }
    // To one thread only.
    let (send, receive) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        send.send(calls::thread_id()).unwrap();
        comes(SIGUSR1, milli(60_000)).is_some()
    });
    let timer = Id::new(CLOCK_MONOTONIC, SIGUSR1, 0, Some(receive.recv().unwrap())).unwrap();
    timer.set(false, milli(2), 0);
    assert!(thread.join().unwrap(), "the thread was not told");
    assert_eq!(Id::new(12_345, SIGUSR1, 0, None).err(), Some(EINVAL));
    // The running thread has to say its number, too.
    assert_eq!(Id::new(CLOCK_MONOTONIC, SIGUSR1, 0, Some(0)).err(), Some(EINVAL));
    // What a thread of the C library is to be told of is an ordinary signal here.
    let timer = Id::notifying(CLOCK_MONOTONIC, SIGEV_THREAD, SIGUSR1).unwrap();
    timer.set(false, milli(1), 0);
    assert!(comes(SIGUSR1, milli(60_000)).is_some(), "SIGEV_THREAD is not known");
    // One that is switched off forgets its interval.
    timer.set(false, 0, milli(5));
    assert_eq!(timer.get(), (0, 0));
    println!("POSIX timers");
}

fn overruns() {
    let timer = Id::new(CLOCK_MONOTONIC, SIGRTMIN(), 5, None).unwrap();
    timer.set(false, micro(500), micro(500));
    thread::sleep(Duration::from_millis(20));
    // One signal for all that expired while nobody took it.
    let info = comes(SIGRTMIN(), milli(60_000)).expect("no signal");
    assert!(info.overrun >= 35, "an overrun of {} in 40 periods", info.overrun);
    assert_eq!(timer.overrun(), info.overrun);
    drop(timer);
    let _ = comes(SIGRTMIN(), 0);
    assert!(comes(SIGRTMIN(), milli(3)).is_none(), "a deleted timer sent a signal");
    println!("overruns");
}

fn cpu_timers() {
    for clock in [CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, calls::own_cpu_clock()] {
        let timer = Id::new(clock, SIGRTMIN(), 1, None).unwrap();
        sleep_through(clock, milli(200), SIGRTMIN(), || timer.set(false, milli(200), milli(200)));
        let mut signals = 0;
        let start = calls::now(clock);
        while signals < 3 {
            compute(milli(4));
            signals += u64::from(comes(SIGRTMIN(), 0).is_some());
            assert!(calls::now(clock) - start < milli(60_000), "no signal");
        }
        assert!(calls::now(clock) - start >= milli(400), "three signals too early");
    }
    println!("CPU timers");
}

/// Clocks that can be read and not waited for, and dates that cannot be.
fn clocks_without_timers() {
    for clock in [CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE] {
        assert_eq!(calls::sleep_as_the_kernel_has_it(clock), Err(EOPNOTSUPP));
        assert_eq!(Id::new(clock, SIGUSR1, 0, None).err(), Some(EOPNOTSUPP));
    }
    assert_eq!(calls::sleep_as_the_kernel_has_it(CLOCK_THREAD_CPUTIME_ID), Err(EOPNOTSUPP));
    assert_eq!(calls::sleep_as_the_kernel_has_it(CLOCK_TAI), Ok(()));
    let cannot_be_files = [
        CLOCK_MONOTONIC_RAW,
        CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE,
        CLOCK_TAI,
        CLOCK_PROCESS_CPUTIME_ID,
        CLOCK_THREAD_CPUTIME_ID,
    ];
    for clock in cannot_be_files {
        assert_eq!(TimerFile::try_new(clock, 0).err(), Some(EINVAL), "clock {clock}");
    }
    TimerFile::new(CLOCK_BOOTTIME, 0);
    // Before the machine started, and too late to be counted.
    for date in [0, i64::MAX as u64] {
        assert_eq!(calls::set_date(date), Err(EINVAL));
    }
    println!("clocks without timers");
}
