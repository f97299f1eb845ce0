//! Job control: stopping, going on, groups, sessions.

use std::sync::atomic::AtomicU32;

use errno::Errno;
use process::{
    ChildEvent, Signal, WaitFor, WaitOptions, getpgid, getsid, kill, setpgid, setsid,
    wait_for_child,
};

use crate::harness::{
    Flag, THREAD, clone_with, fork, linger, linger_until_killed, once, over_seeds, take_signals,
    wait_for, wait_for_end,
};

#[test]
fn c07_stop_continue_kill() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            for _ in 0..2 {
                clone_with(THREAD, linger_until_killed);
            }
            linger_until_killed()
        });
        let all = WaitOptions::STOPPED | WaitOptions::CONTINUED | WaitOptions::EXITED;
        kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
        let waited = wait_for(all);
        assert_eq!((waited.pid, waited.event), (child, ChildEvent::Stopped(Signal::SIGSTOP)));
        let state = process::find_task(child).unwrap().state();
        assert_eq!(sched::state::letter(state), 'T', "it is told before it has stopped");
        // It is told once.
        let again = wait_for_child(&WaitFor::Any, all | WaitOptions::NOHANG);
        assert!(matches!(again, Ok(None)));
        kill(child as i32, Some(Signal::SIGCONT)).unwrap();
        assert_eq!(wait_for(all).event, ChildEvent::Continued);
        kill(child as i32, Some(Signal::SIGTSTP)).unwrap();
        // Its group is not orphaned only because PID 1, its parent, is in the same one: nobody else
        // is there.
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(9));
    });
}

#[test]
fn c07_sigkill_ends_a_stopped_process() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            clone_with(THREAD, linger_until_killed);
            linger_until_killed()
        });
        kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
        sched::sleep_for(machine::sim::random(200_000));
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(9));
    });
}

#[test]
fn c07_a_thread_may_end_instead_of_stopping() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            for _ in 0..3 {
                clone_with(THREAD, || {
                    sched::sleep_for(machine::sim::random(60_000));
                    0
                });
            }
            linger_until_killed()
        });
        sched::sleep_for(machine::sim::random(40_000));
        kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
        assert_eq!(wait_for(WaitOptions::STOPPED).event, ChildEvent::Stopped(Signal::SIGSTOP));
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(9));
    });
}

#[test]
fn c07_continue_races_with_stop() {
    over_seeds(300, 3, || {
        let child = fork(|| {
            clone_with(THREAD, linger_until_killed);
            linger_until_killed()
        });
        for _ in 0..5 {
            kill(child as i32, Some(Signal::SIGSTOP)).unwrap();
            sched::sleep_for(machine::sim::random(100_000));
            kill(child as i32, Some(Signal::SIGCONT)).unwrap();
        }
        // If it were still stopped, it would not take this.
        kill(child as i32, Some(Signal::SIGTERM)).unwrap();
        assert_eq!(wait_for_end().event, ChildEvent::Ended(15));
    });
}

#[test]
fn c07_continue_races_with_the_keyboards_stop() {
    over_seeds(300, 3, || {
        // A shell in a session of its own, so that its job's group is not orphaned.
        fork(|| {
            setsid().unwrap();
            let job = fork(linger_until_killed);
            setpgid(job, job).unwrap();
            for _ in 0..10 {
                kill(job as i32, Some(Signal::SIGTSTP)).unwrap();
                // It is taken on another CPU at this moment, or nearly.
                for _ in 0..machine::sim::random(60) {
                    machine::cpu::relax();
                }
                kill(job as i32, Some(Signal::SIGCONT)).unwrap();
                sched::sleep_for(machine::sim::random(5_000));
            }
            // If it were stopped after all, it would not take this.
            kill(job as i32, Some(Signal::SIGTERM)).unwrap();
            loop {
                // News of the job come between.
                if let Ok(Some(waited)) = wait_for_child(&WaitFor::Any, WaitOptions::EXITED) {
                    assert_eq!(waited.event, ChildEvent::Ended(15));
                    return 0;
                }
                assert_eq!(take_signals(&AtomicU32::new(0)), None);
            }
        });
        assert_eq!(wait_for_end().event.status(), 0);
    });
}

#[test]
fn c07_groups_and_sessions_have_rules() {
    once(|| {
        assert_eq!((getpgid(0), getsid(0)), (Ok(1), Ok(1)));
        assert_eq!(setsid(), Err(Errno::EPERM), "it leads a group");
        assert_eq!(setpgid(0, 0), Err(Errno::EPERM), "it leads a session");
        let over = Flag::default();
        let until = over.clone();
        let child = fork(move || linger(&AtomicU32::new(0), || until.is_up()));
        assert_eq!(getpgid(child), Ok(1));
        assert_eq!(setpgid(child, 99), Err(Errno::EPERM), "no such group");
        assert_eq!(setpgid(child, child), Ok(()));
        assert_eq!((getpgid(child), getsid(child)), (Ok(child), Ok(1)));
        assert_eq!(setpgid(child, 1), Ok(()));
        assert_eq!(setpgid(2, 2), Err(Errno::ESRCH), "not a child");
        assert_eq!(setpgid(child, child), Ok(()));
        let second = fork(move || {
            setpgid(0, child).unwrap();
            assert_eq!(getpgid(0), Ok(child));
            let own = setsid().unwrap();
            assert_eq!((getpgid(0), getsid(0)), (Ok(own), Ok(own)));
            assert_eq!(setpgid(0, child), Err(Errno::EPERM));
            0
        });
        let waited = wait_for_end();
        assert_eq!(waited.pid, second);
        // The group and the number live on without the one who started it.
        let third = fork(move || {
            setpgid(0, child).unwrap();
            linger_until_killed()
        });
        while getpgid(third) != Ok(child) {
            sched::sleep_for(10 * time::MICROSECOND);
        }
        over.raise();
        assert_eq!(wait_for_end().pid, child);
        assert!(process::find_task(child).is_none());
        assert_eq!(getpgid(third), Ok(child));
        assert_eq!(process::group_members(child).len(), 1);
        assert_eq!(kill(-(child as i32), Some(Signal::SIGTERM)), Ok(()));
        assert_eq!(wait_for_end().pid, third);
        assert_eq!(kill(-(child as i32), Some(Signal::SIGTERM)), Err(Errno::ESRCH));
    });
}

#[test]
fn c07_a_group_signal_reaches_every_member() {
    over_seeds(100, 3, || {
        let leader = fork(|| {
            setpgid(0, 0).unwrap();
            for _ in 0..3 {
                fork(linger_until_killed);
            }
            linger_until_killed()
        });
        while getpgid(leader) != Ok(leader) {
            sched::sleep_for(10 * time::MICROSECOND);
        }
        sched::sleep_for(machine::sim::random(50_000));
        kill(-(leader as i32), Some(Signal::SIGKILL)).unwrap();
        // However many there were when it came, none is left.
        while let Ok(waited) = wait_for_child(&WaitFor::Any, WaitOptions::EXITED) {
            assert_eq!(waited.map(|waited| waited.event), Some(ChildEvent::Ended(9)));
        }
    });
}

#[test]
fn c07_a_stopped_orphan_group_is_hung_up() {
    over_seeds(100, 3, || {
        let ready = Flag::default();
        let told = ready.clone();
        // A shell, in a session of its own, with a job in another group.
        let shell = fork(move || {
            setsid().unwrap();
            let job = fork(linger_until_killed);
            setpgid(job, job).unwrap();
            kill(job as i32, Some(Signal::SIGTSTP)).unwrap();
            assert_eq!(wait_for(WaitOptions::STOPPED).event, ChildEvent::Stopped(Signal::SIGTSTP));
            told.raise();
            linger_until_killed()
        });
        ready.wait();
        kill(shell as i32, Some(Signal::SIGKILL)).unwrap();
        let mut ends = [wait_for_end().event.status(), wait_for_end().event.status()];
        ends.sort();
        assert_eq!(ends, [1, 9], "the job was hung up");
    });
}

#[test]
fn c07_an_orphan_group_is_not_stopped_from_the_keyboard() {
    once(|| {
        fork(|| {
            // PID 1's own group, with no parent outside of it.
            setsid().unwrap();
            kill(0, Some(Signal::SIGTSTP)).unwrap();
            assert_eq!(take_signals(&AtomicU32::new(0)), None);
            process::exit_code_of_status(1)
        });
        assert_eq!(wait_for_end().event.status(), 1 << 8);
    });
}
