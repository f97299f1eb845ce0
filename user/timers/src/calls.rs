//! The system calls of timers, with times in nanoseconds and errors as values.

use libc::{c_int, clockid_t, itimerspec, itimerval, sigevent, sigset_t, timespec, timeval};
use std::io;
use std::mem::zeroed;

/// Milliseconds.
pub(crate) const fn milli(count: u64) -> u64 {
    count * 1_000_000
}

/// Microseconds.
pub(crate) const fn micro(count: u64) -> u64 {
    count * 1_000
}

fn spec(time: u64) -> timespec {
    timespec { tv_sec: (time / 1_000_000_000) as i64, tv_nsec: (time % 1_000_000_000) as i64 }
}

fn of_spec(spec: timespec) -> u64 {
    spec.tv_sec as u64 * 1_000_000_000 + spec.tv_nsec as u64
}

fn val(time: u64) -> timeval {
    timeval {
        tv_sec: (time / 1_000_000_000) as i64,
        tv_usec: (time % 1_000_000_000 / 1_000) as i64,
    }
}

fn of_val(val: timeval) -> u64 {
    val.tv_sec as u64 * 1_000_000_000 + val.tv_usec as u64 * 1_000
}

fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[track_caller]
fn check(result: impl Into<i64>) {
    assert!(result.into() >= 0, "error {}", errno());
}

/// What a clock shows.
pub(crate) fn now(clock: clockid_t) -> u64 {
    let mut time = spec(0);
    // SAFETY: writes to `time`.
    check(unsafe { libc::clock_gettime(clock, &mut time) });
    of_spec(time)
}

/// What a clock shows, by system call.
pub(crate) fn now_by_call(clock: clockid_t) -> u64 {
    let mut time = spec(0);
    // SAFETY: writes to `time`.
    check(unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) });
    of_spec(time)
}

/// What `adjtimex` tells: the clock's state, or an error, and what it knows.
pub(crate) fn adjust(change: impl FnOnce(&mut libc::timex)) -> (Result<c_int, c_int>, libc::timex) {
    // SAFETY: all zeros is a `timex`.
    let mut timex: libc::timex = unsafe { zeroed() };
    change(&mut timex);
    // SAFETY: reads and writes a local.
    let state = unsafe { libc::adjtimex(&mut timex) };
    (if state >= 0 { Ok(state) } else { Err(errno()) }, timex)
}

/// `clock_adjtime` of a clock, to ask only.
pub(crate) fn ask(clock: clockid_t) -> Result<c_int, c_int> {
    // SAFETY: all zeros is a `timex`.
    let mut timex: libc::timex = unsafe { zeroed() };
    // SAFETY: reads and writes a local.
    let state = unsafe { libc::clock_adjtime(clock, &mut timex) };
    if state >= 0 { Ok(state) } else { Err(errno()) }
}

/// Waits on a futex that nobody wakes, until a date. Returns the error that ends the wait.
pub(crate) fn futex_until_date(date: u64) -> c_int {
    const OPERATION: c_int =
        libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let word = 0u32;
    let until = spec(date);
    let nothing = std::ptr::null::<u32>();
    // SAFETY: reads locals.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            &raw const word,
            OPERATION,
            0,
            &raw const until,
            nothing,
            u32::MAX,
        )
    };
    if result == 0 { 0 } else { errno() }
}

/// Receives from a message queue that stays empty, until a date. Returns the error that ends the wait.
pub(crate) fn receive_until_date(date: u64) -> c_int {
    let name = c"/dates";
    // SAFETY: reads a constant and a local, which are as the call wants them.
    unsafe {
        let mut attributes: libc::mq_attr = zeroed();
        (attributes.mq_maxmsg, attributes.mq_msgsize) = (1, 8);
        let queue =
            libc::mq_open(name.as_ptr(), libc::O_CREAT | libc::O_RDONLY, 0o600, &attributes);
        check(queue);
        check(libc::mq_unlink(name.as_ptr()));
        let mut message = [0u8; 8];
        let until = spec(date);
        let length = libc::mq_timedreceive(
            queue,
            message.as_mut_ptr().cast(),
            8,
            std::ptr::null_mut(),
            &until,
        );
        let error = if length >= 0 { 0 } else { errno() };
        check(libc::mq_close(queue));
        error
    }
}

/// The clock of this process's CPU time, by its number.
pub(crate) fn own_cpu_clock() -> clockid_t {
    let mut clock = 0;
    // SAFETY: writes to `clock`.
    assert_eq!(unsafe { libc::clock_getcpuclockid(libc::getpid(), &mut clock) }, 0);
    assert!(clock < 0);
    clock
}

/// `clock_nanosleep`.
pub(crate) fn sleep(clock: clockid_t, absolute: bool, time: u64) -> Result<(), c_int> {
    let flags = if absolute { libc::TIMER_ABSTIME } else { 0 };
    // SAFETY: reads a local.
    match unsafe { libc::clock_nanosleep(clock, flags, &spec(time), std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(error),
    }
}

/// `clock_nanosleep` for a nanosecond, without what a C library thinks of the clock.
pub(crate) fn sleep_as_the_kernel_has_it(clock: clockid_t) -> Result<(), c_int> {
    let none = std::ptr::null_mut::<timespec>();
    // SAFETY: reads a local.
    match unsafe { libc::syscall(libc::SYS_clock_nanosleep, clock, 0, &spec(1), none) } {
        0 => Ok(()),
        _ => Err(errno()),
    }
}

/// `clock_settime` for the date, for root.
pub(crate) fn set_date(date: u64) -> Result<(), c_int> {
    // SAFETY: reads a local.
    match unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &spec(date)) } {
        0 => Ok(()),
        _ => Err(errno()),
    }
}

fn set_of(signal: c_int) -> sigset_t {
    // SAFETY: a set of zeros is an empty set; the call changes a local.
    unsafe {
        let mut set = zeroed();
        libc::sigaddset(&mut set, signal);
        set
    }
}

/// Blocks a signal, in this thread and those that it makes.
pub(crate) fn block(signal: c_int) {
    // SAFETY: reads a local.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &set_of(signal), std::ptr::null_mut()) });
}

/// What came with a signal.
pub(crate) struct Info {
    /// The timer's value.
    pub value: usize,
    /// For how many expirations more it stands.
    pub overrun: c_int,
}

/// `sigtimedwait`.
pub(crate) fn wait_for(signal: c_int, within: u64) -> Option<Info> {
    // SAFETY: all zeros is a `siginfo_t`.
    let mut info: libc::siginfo_t = unsafe { zeroed() };
    // SAFETY: reads locals and writes to `info`.
    let taken = unsafe { libc::sigtimedwait(&set_of(signal), &mut info, &spec(within)) };
    // SAFETY: the fields of a timer's signal lie within `info`, whatever kind it is of.
    (taken == signal).then(|| unsafe {
        Info { value: info.si_value().sival_ptr.addr(), overrun: info.si_overrun() }
    })
}

/// The number of the running thread.
pub(crate) fn thread_id() -> c_int {
    // SAFETY: has no arguments.
    unsafe { libc::gettid() }
}

/// `setitimer`.
pub(crate) fn set_interval(which: c_int, value: u64, interval: u64) {
    let new = itimerval { it_interval: val(interval), it_value: val(value) };
    // SAFETY: reads a local.
    check(unsafe { libc::setitimer(which as _, &new, std::ptr::null_mut()) });
}

/// `getitimer`: what is left, and the interval.
pub(crate) fn interval(which: c_int) -> (u64, u64) {
    // SAFETY: all zeros is an `itimerval`; the call writes to it.
    let timer: itimerval = unsafe {
        let mut timer = zeroed();
        check(libc::getitimer(which as _, &mut timer));
        timer
    };
    (of_val(timer.it_value), of_val(timer.it_interval))
}

/// A file descriptor of `timerfd_create`.
pub(crate) struct TimerFile(c_int);

impl TimerFile {
    /// A new one.
    #[track_caller]
    pub(crate) fn new(clock: clockid_t, flags: c_int) -> Self {
        Self::try_new(clock, flags).unwrap()
    }

    /// A new one, if this clock has them.
    pub(crate) fn try_new(clock: clockid_t, flags: c_int) -> Result<Self, c_int> {
        // SAFETY: has no pointers.
        let file = unsafe { libc::timerfd_create(clock, flags) };
        if file >= 0 { Ok(Self(file)) } else { Err(errno()) }
    }

    /// `timerfd_settime`, which succeeds.
    pub(crate) fn set(&self, flags: c_int, value: u64, interval: u64) {
        assert_eq!(self.try_set(flags, value, interval), Ok(()));
    }

    /// `timerfd_settime`.
    pub(crate) fn try_set(&self, flags: c_int, value: u64, interval: u64) -> Result<(), c_int> {
        let new = itimerspec { it_interval: spec(interval), it_value: spec(value) };
        // SAFETY: reads a local.
        match unsafe { libc::timerfd_settime(self.0, flags, &new, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(errno()),
        }
    }

    /// `timerfd_gettime`: what is left, and the interval.
    pub(crate) fn get(&self) -> (u64, u64) {
        let mut timer = itimerspec { it_interval: spec(0), it_value: spec(0) };
        // SAFETY: writes to a local.
        check(unsafe { libc::timerfd_gettime(self.0, &mut timer) });
        (of_spec(timer.it_value), of_spec(timer.it_interval))
    }

    /// `read`.
    pub(crate) fn expirations(&self) -> Result<u64, c_int> {
        let mut count = 0u64;
        // SAFETY: writes at most so many bytes to a local.
        let read = unsafe { libc::read(self.0, (&raw mut count).cast(), size_of::<u64>()) };
        if read == 8 { Ok(count) } else { Err(errno()) }
    }

    /// What `/proc` tells of it, behind what it tells of any file.
    pub(crate) fn info(&self) -> String {
        let all = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0)).unwrap();
        all.split_inclusive('\n').skip_while(|line| !line.starts_with("clockid:")).collect()
    }

    /// `TFD_IOC_SET_TICKS`.
    pub(crate) fn set_ticks(&self, ticks: u64) -> Result<(), c_int> {
        const TFD_IOC_SET_TICKS: u64 = 0x4008_5400;
        // SAFETY: reads a local.
        match unsafe { libc::ioctl(self.0, TFD_IOC_SET_TICKS, &raw const ticks) } {
            0 => Ok(()),
            _ => Err(errno()),
        }
    }

    /// `poll`, for so many milliseconds.
    pub(crate) fn is_readable(&self, within: c_int) -> bool {
        let mut poll = libc::pollfd { fd: self.0, events: libc::POLLIN, revents: 0 };
        // SAFETY: reads and writes one local.
        let ready = unsafe { libc::poll(&mut poll, 1, within) };
        check(ready);
        ready == 1
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's.
        check(unsafe { libc::close(self.0) });
    }
}

/// A timer of `timer_create`.
pub(crate) struct Id(c_int);

impl Id {
    /// A new one, which sends a signal with a value, to the process or to one thread.
    pub(crate) fn new(
        clock: clockid_t,
        signal: c_int,
        value: usize,
        thread: Option<c_int>,
    ) -> Result<Self, c_int> {
        // SAFETY: all zeros is a `sigevent`.
        let mut event: sigevent = unsafe { zeroed() };
        event.sigev_signo = signal;
        event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(value);
        event.sigev_notify = match thread {
            None => libc::SIGEV_SIGNAL,
            Some(thread) => {
                event.sigev_notify_thread_id = thread;
                libc::SIGEV_THREAD_ID
            }
        };
        Self::create(clock, event)
    }

    /// A new one that tells of its expirations in some way.
    pub(crate) fn notifying(clock: clockid_t, how: c_int, signal: c_int) -> Result<Self, c_int> {
        // SAFETY: all zeros is a `sigevent`.
        let mut event: sigevent = unsafe { zeroed() };
        (event.sigev_notify, event.sigev_signo) = (how, signal);
        Self::create(clock, event)
    }

    /// By system call: a C library starts a thread for some of them.
    fn create(clock: clockid_t, event: sigevent) -> Result<Self, c_int> {
        let mut number: c_int = 0;
        // SAFETY: reads and writes locals.
        match unsafe { libc::syscall(libc::SYS_timer_create, clock, &event, &mut number) } {
            0 => Ok(Self(number)),
            _ => Err(errno()),
        }
    }

    /// `timer_settime`.
    pub(crate) fn set(&self, absolute: bool, value: u64, interval: u64) {
        let new = itimerspec { it_interval: spec(interval), it_value: spec(value) };
        let flags = if absolute { libc::TIMER_ABSTIME } else { 0 };
        let none = std::ptr::null_mut::<itimerspec>();
        // SAFETY: reads a local.
        check(unsafe { libc::syscall(libc::SYS_timer_settime, self.0, flags, &new, none) });
    }

    /// `timer_gettime`: what is left, and the interval.
    pub(crate) fn get(&self) -> (u64, u64) {
        let mut timer = itimerspec { it_interval: spec(0), it_value: spec(0) };
        // SAFETY: writes to a local.
        check(unsafe { libc::syscall(libc::SYS_timer_gettime, self.0, &mut timer) });
        (of_spec(timer.it_value), of_spec(timer.it_interval))
    }

    /// Its number.
    pub(crate) fn number(&self) -> c_int {
        self.0
    }

    /// `timer_getoverrun`.
    pub(crate) fn overrun(&self) -> c_int {
        // SAFETY: has no pointers.
        unsafe { libc::syscall(libc::SYS_timer_getoverrun, self.0) as c_int }
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        // SAFETY: the timer is this value's.
        check(unsafe { libc::syscall(libc::SYS_timer_delete, self.0) });
    }
}
