//! Timers on a date that is set while they wait.

use crate::calls::{self, Id, TimerFile, milli};
use crate::comes;
use libc::{
    CLOCK_REALTIME, EAGAIN, ECANCELED, ETIMEDOUT, SIGUSR1, TFD_NONBLOCK, TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
};
use std::thread;
use std::time::{Duration, Instant};

const HOUR: u64 = 3600 * 1_000_000_000;
/// No wait of this program lasts so long unless something is wrong.
const TOO_LONG: Duration = Duration::from_secs(60);

pub(crate) fn all() {
    waits();
    relative_times();
    timer_files();
    cancelled_timer_files();
    posix_timers();
    crate::adjust::all();
}

fn date() -> u64 {
    calls::now(CLOCK_REALTIME)
}

fn forward(by: u64) {
    calls::set_date(date() + by).expect("root sets the date");
}

fn back(by: u64) {
    calls::set_date(date() - by).expect("root sets the date");
}

/// A way to wait for a date.
type Wait = fn(u64);

fn sleep(date: u64) {
    calls::sleep(CLOCK_REALTIME, true, date).unwrap();
}

fn wait_on_futex(date: u64) {
    assert_eq!(calls::futex_until_date(date), ETIMEDOUT);
}

fn receive(date: u64) {
    assert_eq!(calls::receive_until_date(date), ETIMEDOUT);
}

fn wait_for_file(date: u64) {
    let file = TimerFile::new(CLOCK_REALTIME, 0);
    file.set(TFD_TIMER_ABSTIME, date, 0);
    assert_eq!(file.expirations(), Ok(1));
}

fn waits() {
    for wait in [sleep, wait_on_futex, receive, wait_for_file] as [Wait; 4] {
        // The date jumps beyond the time.
        let begin = Instant::now();
        let until = date() + HOUR;
        let waiter = thread::spawn(move || wait(until));
        thread::sleep(Duration::from_millis(50));
        forward(2 * HOUR);
        waiter.join().unwrap();
        assert!(begin.elapsed() < TOO_LONG, "the wait did not follow the date");
        while !goes_back_in_time(wait) {}
    }
    println!("waits");
}

/// The date jumps towards the time of a wait, but not there, and back: it is not over before its time. Returns false if the host took so long that
/// the date had come there before it went back.
fn goes_back_in_time(wait: Wait) -> bool {
    let until = date() + HOUR;
    let waiter = thread::spawn(move || {
        wait(until);
        date()
    });
    thread::sleep(Duration::from_millis(20));
    forward(HOUR - milli(1_000));
    thread::sleep(Duration::from_millis(20));
    let before = Instant::now();
    let came_there = date() + milli(20) >= until;
    back(milli(1_000));
    let held_up = before.elapsed() > Duration::from_millis(20);
    let begin = Instant::now();
    let over = waiter.join().unwrap();
    let rest = begin.elapsed();
    if came_there || held_up {
        return false;
    }
    assert!(over >= until, "over before its time");
    assert!(rest > Duration::from_millis(400), "it was over {rest:?} after the date went back");
    assert!(rest < TOO_LONG, "the wait did not follow the date");
    true
}

/// What is to pass passes, whatever the date.
fn relative_times() {
    let begin = Instant::now();
    let waiters = [
        thread::spawn(|| calls::sleep(CLOCK_REALTIME, false, milli(2_000)).unwrap()),
        thread::spawn(|| {
            let file = TimerFile::new(CLOCK_REALTIME, 0);
            file.set(TFD_TIMER_CANCEL_ON_SET, milli(2_000), 0);
            assert_eq!(file.expirations(), Ok(1), "a relative time is not cancelled");
        }),
    ];
    let timer = Id::new(CLOCK_REALTIME, SIGUSR1, 0, None).unwrap();
    timer.set(false, milli(2_000), 0);
    thread::sleep(Duration::from_millis(50));
    forward(HOUR);
    // A busy host may hold this up for as long as the timer goes.
    let came = comes(SIGUSR1, milli(100)).is_some();
    let early = begin.elapsed() < Duration::from_millis(2_000);
    assert!(!came || !early, "a relative time followed the date");
    back(HOUR);
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert!(came || comes(SIGUSR1, milli(60_000)).is_some());
    let passed = begin.elapsed();
    assert!(passed >= Duration::from_millis(2_000) && passed < TOO_LONG, "{passed:?}");
    println!("relative times");
}

fn timer_files() {
    let file = TimerFile::new(CLOCK_REALTIME, TFD_NONBLOCK);
    // Every second from in half an hour on: half an hour of them is missed.
    file.set(TFD_TIMER_ABSTIME, date() + HOUR / 2, 1_000_000_000);
    assert_eq!(file.expirations(), Err(EAGAIN));
    forward(HOUR);
    assert!(file.is_readable(60_000), "poll did not see it");
    let count = file.expirations().unwrap();
    assert!((1800..1900).contains(&count), "{count} expirations in half an hour");
    assert!(file.is_readable(60_000), "the next second did not come");
    // What is left follows the date.
    file.set(TFD_TIMER_ABSTIME, date() + HOUR, 0);
    forward(HOUR / 2);
    let (left, _) = file.get();
    assert!(left > HOUR / 2 - milli(10_000) && left <= HOUR / 2, "{left} ns are left");
    println!("timer files");
}

fn cancelled_timer_files() {
    const FLAGS: i32 = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    let file = TimerFile::new(CLOCK_REALTIME, TFD_NONBLOCK);
    let indifferent = TimerFile::new(CLOCK_REALTIME, TFD_NONBLOCK);
    file.set(FLAGS, date() + 8 * HOUR, 0);
    indifferent.set(TFD_TIMER_ABSTIME, date() + 8 * HOUR, 0);
    assert!(!file.is_readable(0));
    assert_eq!(file.expirations(), Err(EAGAIN));
    forward(HOUR);
    assert!(file.is_readable(60_000), "poll did not see it");
    assert_eq!(file.expirations(), Err(ECANCELED));
    assert_eq!(file.expirations(), Err(EAGAIN), "told twice");
    assert!(!file.is_readable(0));
    assert!(!indifferent.is_readable(0));
    // It is armed still.
    assert!(file.get().0 > HOUR);
    // Told when it is armed anew.
    back(HOUR);
    assert_eq!(file.try_set(FLAGS, date() + 9 * HOUR, 0), Err(ECANCELED));
    assert!(file.get().0 > 8 * HOUR, "it is armed all the same");
    assert_eq!(file.try_set(FLAGS, date() + 8 * HOUR, 0), Ok(()));
    // One that reads meanwhile.
    let reader = TimerFile::new(CLOCK_REALTIME, 0);
    reader.set(FLAGS, date() + 8 * HOUR, 0);
    let reading = thread::spawn(move || reader.expirations());
    thread::sleep(Duration::from_millis(50));
    forward(HOUR);
    assert_eq!(reading.join().unwrap(), Err(ECANCELED));
    assert_eq!(file.expirations(), Err(ECANCELED));
    // And no more, without the flag.
    file.set(TFD_TIMER_ABSTIME, date() + 8 * HOUR, 0);
    back(HOUR);
    assert_eq!(file.expirations(), Err(EAGAIN));
    println!("cancelled timer files");
}

fn posix_timers() {
    let timer = Id::new(CLOCK_REALTIME, SIGUSR1, 0, None).unwrap();
    timer.set(true, date() + HOUR, 0);
    assert!(comes(SIGUSR1, milli(20)).is_none());
    forward(2 * HOUR);
    assert!(comes(SIGUSR1, milli(60_000)).is_some(), "it did not follow the date");
    assert_eq!(timer.get().0, 0);
    // Every minute: those of an hour are missed.
    timer.set(true, date() + HOUR, 60 * 1_000_000_000);
    forward(2 * HOUR);
    let overrun = comes(SIGUSR1, milli(60_000)).expect("it did not follow the date").overrun;
    assert!((60..70).contains(&overrun), "{overrun} of an hour were missed");
    let (left, interval) = timer.get();
    assert!(left <= interval && interval == 60 * 1_000_000_000);
    timer.set(true, 0, 0);
    // Back, and not before its time. If the host holds this up, its time comes before the date goes back: again, then.
    loop {
        let begin = Instant::now();
        let until = date() + milli(1_000);
        timer.set(true, until, 0);
        back(milli(1_000));
        let held_up = begin.elapsed() > Duration::from_millis(900);
        assert!(comes(SIGUSR1, milli(60_000)).is_some());
        if !held_up {
            assert!(date() >= until, "it was early");
            break;
        }
    }
    println!("POSIX timers");
}
