//! Sending and taking signals.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use errno::Errno;
use process::signal::info::{SEGV_MAPERR, SI_QUEUE, SI_USER};
use process::signal::{self, Action, Details, Handler, How, set_action};
use process::{
    ClockTimer, IntervalTimer, NewProgram, SigInfo, SigSet, Signal, Thread, TimeBase, TimerSetting,
    kill, set_interval_timer, tgkill,
};
use time::Moment;
use vm::Mm;

use crate::harness::{
    Flag, THREAD, clone_with, fork, linger, linger_until_killed, once, over_seeds, registers,
    take_signals, wait_for_end,
};

const HANDLER: Action = Action { handler: Handler::User(0x1000), ..Action::DEFAULT };

#[test]
fn c07_a_signal_ends_a_process() {
    over_seeds(100, 3, || {
        let ready = Flag::default();
        let told = ready.clone();
        let child = fork(move || {
            for _ in 0..2 {
                clone_with(THREAD, linger_until_killed);
            }
            told.raise();
            linger_until_killed()
        });
        ready.wait();
        kill(child as i32, Some(Signal::SIGTERM)).unwrap();
        assert_eq!(wait_for_end().event.status(), 15);
    });
}

#[test]
fn c07_no_signal_is_lost_in_exec() {
    over_seeds(300, 3, || {
        let executed = Flag::default();
        let told = executed.clone();
        let child = fork(move || {
            loop {
                let credentials = Thread::of(&sched::current()).credentials();
                let program = NewProgram { mm: Mm::new().unwrap(), credentials, comm: b"again" };
                process::begin_new_exec(program).unwrap();
                told.raise();
                if let Some(code) = take_signals(&AtomicU32::new(0)) {
                    return code;
                }
            }
        });
        executed.wait();
        sched::sleep_for(machine::sim::random(30_000));
        kill(child as i32, Some(Signal::SIGQUIT)).unwrap();
        assert_eq!(wait_for_end().event.status(), 3);
    });
}

#[test]
fn c07_kill_races_with_exit_and_fork() {
    over_seeds(300, 3, || {
        let child = fork(|| {
            for _ in 0..3 {
                // The signal may come in the middle: then there is no child that has missed it.
                let args = process::CloneArgs::FORK;
                match process::kernel_clone(&args, || 0, |_| Ok(()), &mut registers()) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error, Errno::ERESTARTNOINTR),
                }
                if let Some(code) = take_signals(&AtomicU32::new(0)) {
                    return code;
                }
            }
            0
        });
        sched::sleep_for(machine::sim::random(30_000));
        let _ = kill(child as i32, Some(Signal::SIGKILL));
        let mut left = process::live_pids() - 2;
        while left > 0 {
            let waited =
                process::wait_for_child(&process::WaitFor::Any, process::WaitOptions::EXITED);
            if waited.is_err() {
                break;
            }
            left = process::live_pids() - 2;
        }
    });
}

#[test]
fn c07_handlers_run_in_the_thread_that_can() {
    over_seeds(100, 3, || {
        let (ready, handled) = (Flag::default(), Arc::new(AtomicU32::new(0)));
        let (told, seen) = (ready.clone(), handled.clone());
        let child = fork(move || {
            set_action(Signal::SIGUSR1, Some(HANDLER)).unwrap();
            signal::change_mask(How::Block, SigSet::of(Signal::SIGUSR1));
            let by_thread = seen.clone();
            clone_with(THREAD, move || {
                signal::change_mask(How::Unblock, SigSet::of(Signal::SIGUSR1));
                told.raise();
                let over = by_thread.clone();
                linger(&by_thread, || over.load(Ordering::SeqCst) != 0)
            });
            let by_leader = AtomicU32::new(0);
            let code = linger(&by_leader, || seen.load(Ordering::SeqCst) != 0);
            assert_eq!(by_leader.load(Ordering::SeqCst), 0, "the leader blocks it");
            code
        });
        ready.wait();
        kill(child as i32, Some(Signal::SIGUSR1)).unwrap();
        assert_eq!(wait_for_end().event.status(), 0);
        assert_eq!(handled.load(Ordering::SeqCst), 1 << 10);
    });
}

#[test]
fn c07_blocked_signals_wait_and_are_taken_in_order() {
    once(|| {
        let me = process::tgid();
        let real_time = Signal::from_number(40).unwrap();
        signal::change_mask(How::Set, SigSet::ALL);
        for signal in [real_time, Signal::SIGUSR2, real_time, Signal::SIGUSR2] {
            let details = Details::Value { pid: me, uid: 0, value: 1 };
            let info = SigInfo { signal, errno: 0, code: SI_QUEUE, details };
            process::sigqueue(me, info).unwrap();
        }
        let waiting = SigSet::of(real_time).with(Signal::SIGUSR2);
        assert_eq!(signal::pending(), waiting);
        let taken: Vec<_> =
            (0..3).map(|_| signal::sigtimedwait(SigSet::ALL, Some(0)).unwrap().signal).collect();
        assert_eq!(taken, [Signal::SIGUSR2, real_time, real_time]);
        assert_eq!(signal::sigtimedwait(SigSet::ALL, Some(0)), Err(Errno::EAGAIN));
    });
}

#[test]
fn c07_sigtimedwait_is_woken() {
    over_seeds(100, 3, || {
        signal::change_mask(How::Set, SigSet::ALL);
        fork(|| {
            sched::sleep_for(machine::sim::random(30_000));
            kill(1, Some(Signal::SIGHUP)).unwrap();
            0
        });
        let info = signal::sigtimedwait(SigSet::of(Signal::SIGHUP), None).unwrap();
        assert_eq!((info.signal, info.code), (Signal::SIGHUP, SI_USER));
        assert!(matches!(info.details, Details::Sender { uid: 0, .. }));
        assert_eq!(signal::blocked(), SigSet::ALL.minus(SigSet::UNMASKABLE));
        wait_for_end();
    });
}

#[test]
fn c07_what_comes_to_be_ignored_is_forgotten() {
    once(|| {
        signal::change_mask(How::Block, SigSet::of(Signal::SIGINT));
        set_action(Signal::SIGINT, Some(HANDLER)).unwrap();
        kill(1, Some(Signal::SIGINT)).unwrap();
        assert!(signal::pending().contains(Signal::SIGINT));
        let ignore = Action { handler: Handler::Ignore, ..Action::DEFAULT };
        assert_eq!(set_action(Signal::SIGINT, Some(ignore)), Ok(HANDLER));
        assert!(signal::pending().is_empty());
        assert_eq!(set_action(Signal::SIGKILL, Some(ignore)), Err(Errno::EINVAL));
    });
}

#[test]
fn b03_pid_1_is_hit_only_by_what_it_handles() {
    once(|| {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGSEGV] {
            kill(1, Some(signal)).unwrap();
            assert!(!sched::current().signal_pending(), "{signal:?}");
        }
        set_action(Signal::SIGTERM, Some(HANDLER)).unwrap();
        kill(1, Some(Signal::SIGTERM)).unwrap();
        let handled = AtomicU32::new(0);
        assert_eq!(take_signals(&handled), None);
        assert_eq!(handled.load(Ordering::SeqCst), 1 << 15);
    });
}

#[test]
fn c07_a_fault_ends_even_who_blocks_it() {
    once(|| {
        fork(|| {
            signal::change_mask(How::Set, SigSet::ALL);
            let ignore = Action { handler: Handler::Ignore, ..Action::DEFAULT };
            set_action(Signal::SIGSEGV, Some(ignore)).unwrap();
            signal::force_signal(SigInfo::fault(Signal::SIGSEGV, SEGV_MAPERR, 16));
            take_signals(&AtomicU32::new(0)).expect("it is fatal")
        });
        assert_eq!(wait_for_end().event.status(), 11);
    });
}

#[test]
fn c07_one_thread_is_meant() {
    over_seeds(50, 3, || {
        let (ready, handled) = (Flag::default(), Arc::new(AtomicU32::new(0)));
        let (told, seen) = (ready.clone(), handled.clone());
        fork(move || {
            set_action(Signal::SIGUSR2, Some(HANDLER)).unwrap();
            let thread = clone_with(THREAD, move || {
                told.raise();
                let over = seen.clone();
                linger(&seen, || over.load(Ordering::SeqCst) != 0)
            });
            ready.wait();
            assert_eq!(tgkill(Some(1), thread, Some(Signal::SIGUSR2)), Err(Errno::ESRCH));
            assert_eq!(tgkill(Some(process::tgid()), thread, None), Ok(()));
            tgkill(Some(process::tgid()), thread, Some(Signal::SIGUSR2)).unwrap();
            assert!(!sched::current().signal_pending());
            linger(&AtomicU32::new(0), || process::current_process().thread_count() == 1)
        });
        assert_eq!(wait_for_end().event.status(), 0);
        assert_eq!(handled.load(Ordering::SeqCst), 1 << 12);
    });
}

#[test]
fn c07_only_the_same_user_may_signal() {
    once(|| {
        let over = Flag::default();
        let until = over.clone();
        let target = fork(move || linger(&AtomicU32::new(0), || until.is_up()));
        fork(move || {
            let mut other = (*process::credentials()).clone();
            (other.uid, other.euid, other.suid) = (1000, 1000, 1000);
            other.effective = fs::Capabilities::empty();
            process::set_credentials(Arc::new(other));
            let target = target as i32;
            assert_eq!(kill(target, Some(Signal::SIGTERM)), Err(Errno::EPERM));
            assert_eq!(kill(target, None), Err(Errno::EPERM));
            // Of the same session.
            assert_eq!(kill(target, Some(Signal::SIGCONT)), Ok(()));
            assert_eq!(kill(99, None), Err(Errno::ESRCH));
            over.raise();
            0
        });
        wait_for_end();
        wait_for_end();
    });
}

/// Sets a timer that soon expires, and every so often from then on, and then, from another thread, to expire once: `set` gets when,
/// and how often. `waits` says whether it still waits for that.
fn set_while_it_expires(set: impl Fn(u64, u64) + Clone + Send + 'static, waits: impl Fn() -> bool) {
    const SOON: u64 = 100_000;
    const MUCH_LATER: u64 = 50 * time::MILLISECOND;
    // The next expiration of what was set first would come before that of what is set last, or long after it.
    for interval in [SOON, 1000 * time::SECOND].repeat(3) {
        let is_set = Flag::default();
        let (told, set_later) = (is_set.clone(), set.clone());
        set(SOON, interval);
        let expires = time::monotonic() + SOON;
        clone_with(THREAD, move || {
            let expires = expires + machine::sim::random(20_000);
            while time::monotonic() < expires {
                machine::cpu::relax();
            }
            set_later(MUCH_LATER, 0);
            told.raise();
            0
        });
        // Expirations come on this CPU, which is busy, so the other thread is on another.
        while !is_set.is_up() {
            machine::cpu::relax();
        }
        let limit = time::monotonic() + time::SECOND;
        while waits() {
            assert!(time::monotonic() < limit, "what was set last is lost");
            sched::sleep_for(10 * time::MILLISECOND);
        }
    }
}

#[test]
fn w03_an_alarm_set_as_it_rings_is_not_lost() {
    over_seeds(300, 2, || {
        set_action(Signal::SIGALRM, Some(HANDLER)).unwrap();
        let set = |value, interval| {
            set_interval_timer(IntervalTimer::Real, TimerSetting { value, interval }).unwrap();
        };
        set_while_it_expires(set, || process::interval_timer(IntervalTimer::Real).value != 0);
        take_signals(&AtomicU32::new(0));
    });
}

/// As the timers of `timer_create` and `timerfd_create` do it.
#[test]
fn w03_a_timer_set_as_it_expires_is_not_lost() {
    #[derive(Default)]
    struct Setting {
        next: Option<u64>,
        interval: u64,
    }
    fn follow(timer: &ClockTimer, setting: &Mutex<Setting>) {
        timer.follow(|| setting.lock().unwrap().next.map(Moment::Elapsed));
    }
    over_seeds(300, 2, || {
        let setting = Arc::new(Mutex::new(Setting::default()));
        let timer = Arc::new_cyclic(|itself: &Weak<ClockTimer>| {
            let (itself, setting) = (itself.clone(), setting.clone());
            let expire = move || {
                // No point is passed with the host's lock held.
                let now = time::monotonic();
                {
                    let Setting { next, interval } = &mut *setting.lock().unwrap();
                    if let Some(due) = next.take_if(|next| *next <= now) {
                        *next = (*interval != 0).then_some(due + *interval);
                    }
                }
                machine::irq::point();
                follow(&itself.upgrade().unwrap(), &setting);
            };
            ClockTimer::new(TimeBase::Monotonic, expire).unwrap()
        });
        let (of_timer, of_setting) = (timer.clone(), setting.clone());
        let set = move |value: u64, interval| {
            let next = Some(time::monotonic() + value);
            *of_setting.lock().unwrap() = Setting { next, interval };
            follow(&of_timer, &of_setting);
        };
        set_while_it_expires(set, || setting.lock().unwrap().next.is_some());
        timer.cancel_sync();
    });
}

/// Its time is over, and its interrupt is on the way: it is on for at least what a program can see.
#[test]
fn w03_an_alarm_that_is_due_is_still_on() {
    over_seeds(100, 1, || {
        set_action(Signal::SIGALRM, Some(HANDLER)).unwrap();
        let setting = TimerSetting { value: time::MILLISECOND, interval: 0 };
        set_interval_timer(IntervalTimer::Real, setting).unwrap();
        let due = time::monotonic() + time::MILLISECOND;
        {
            let _irqs_off = sync::IrqGuard::new();
            while time::monotonic() <= due {
                machine::cpu::relax();
            }
            let left = process::interval_timer(IntervalTimer::Real).value;
            // Unless it has rung before.
            assert!(left == 0 || left >= time::MICROSECOND, "{left} ns are left");
        }
        take_signals(&AtomicU32::new(0));
    });
}

#[test]
fn w03_the_alarm_rings() {
    over_seeds(20, 2, || {
        set_action(Signal::SIGALRM, Some(HANDLER)).unwrap();
        let setting = TimerSetting { value: 300_000, interval: 200_000 };
        let before = set_interval_timer(IntervalTimer::Real, setting);
        assert_eq!(before, Ok(TimerSetting::default()));
        let handled = AtomicU32::new(0);
        for _ in 0..3 {
            handled.store(0, Ordering::SeqCst);
            let code = linger(&handled, || handled.load(Ordering::SeqCst) != 0);
            assert_eq!((code, handled.load(Ordering::SeqCst)), (0, 1 << 14));
        }
        let off = TimerSetting::default();
        let left = set_interval_timer(IntervalTimer::Real, off).unwrap();
        assert!(left.value > 0 && left.value <= 200_000 && left.interval == 200_000);
        assert_eq!(process::interval_timer(IntervalTimer::Real), off);
    });
}
