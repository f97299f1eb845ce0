//! Waiting for children, orphans, zombies.

use errno::Errno;
use process::signal::{Action, ActionFlags, Handler, set_action};
use process::{ChildEvent, Signal, WaitFor, WaitOptions, current_process, wait_for_child};

use crate::harness::{
    Flag, clone_with, fork, linger_until_killed, once, over_seeds, wait_for, wait_for_end,
};

#[test]
fn c07_nobody_to_wait_for() {
    once(|| {
        let wait = |options| wait_for_child(&WaitFor::Any, options).err();
        assert_eq!(wait(WaitOptions::EXITED), Some(Errno::ECHILD));
        assert_eq!(wait(WaitOptions::EXITED | WaitOptions::NOHANG), Some(Errno::ECHILD));
        let child = fork(|| 0);
        // A child that sends SIGCHLD is no "clone" child.
        assert_eq!(wait(WaitOptions::EXITED | WaitOptions::CLONE), Some(Errno::ECHILD));
        let pid = process::init_pid_ns().find(child).unwrap();
        let group = WaitFor::Group(pid);
        assert_eq!(wait_for_child(&group, WaitOptions::EXITED).err(), Some(Errno::ECHILD));
        wait_for_end();
    });
}

#[test]
fn c07_looking_leaves_the_zombie() {
    over_seeds(20, 2, || {
        let child = fork(|| process::exit_code_of_status(6));
        let looked = wait_for(WaitOptions::EXITED | WaitOptions::NOWAIT);
        assert_eq!((looked.pid, looked.event), (child, ChildEvent::Ended(6 << 8)));
        assert!(process::find_task(child).is_some());
        let pid = process::init_pid_ns().find(child).unwrap();
        assert!(pid.has_ended());
        let waited = wait_for_child(&WaitFor::Process(pid.clone()), WaitOptions::EXITED).unwrap();
        assert_eq!(waited.map(|waited| waited.pid), Some(child));
        assert!(process::find_task(child).is_none());
        assert!(pid.has_ended());
    });
}

#[test]
fn c07_who_ignores_sigchld_gets_no_zombies() {
    over_seeds(50, 3, || {
        let ignore = Action { handler: Handler::Ignore, ..Action::DEFAULT };
        set_action(Signal::SIGCHLD, Some(ignore)).unwrap();
        for _ in 0..4 {
            fork(|| 0);
        }
        // It still waits for all of them, and learns of none.
        let outcome = wait_for_child(&WaitFor::Any, WaitOptions::EXITED);
        assert_eq!(outcome.err(), Some(Errno::ECHILD));
        let no_wait = Action { flags: ActionFlags::NOCLDWAIT, ..Action::DEFAULT };
        set_action(Signal::SIGCHLD, Some(no_wait)).unwrap();
        fork(|| 0);
        let outcome = wait_for_child(&WaitFor::Any, WaitOptions::EXITED);
        assert_eq!(outcome.err(), Some(Errno::ECHILD));
    });
}

#[test]
fn b03_orphans_go_to_pid_1() {
    over_seeds(100, 3, || {
        let parent = fork(|| {
            for status in 1..=3 {
                fork(move || {
                    sched::sleep_for(machine::sim::random(20_000));
                    process::exit_code_of_status(status)
                });
            }
            sched::sleep_for(machine::sim::random(20_000));
            process::exit_code_of_status(10)
        });
        let mut statuses: Vec<_> = (0..4)
            .map(|_| {
                let waited = wait_for_end();
                let status = waited.event.status() >> 8;
                assert_eq!(status == 10, waited.pid == parent);
                status
            })
            .collect();
        statuses.sort();
        assert_eq!(statuses, [1, 2, 3, 10]);
    });
}

#[test]
fn c07_a_subreaper_adopts() {
    over_seeds(50, 3, || {
        fork(|| {
            current_process().set_subreaper(true);
            let middle = fork(|| {
                let over = Flag::default();
                let until = over.clone();
                fork(move || {
                    until.wait();
                    process::exit_code_of_status(2)
                });
                over.raise();
                process::exit_code_of_status(1)
            });
            let mut sum = 0;
            for _ in 0..2 {
                let waited = wait_for_end();
                let status = waited.event.status() >> 8;
                assert_eq!(status == 1, waited.pid == middle);
                sum += status;
            }
            process::exit_code_of_status(sum as i32)
        });
        assert_eq!(wait_for_end().event.status(), 3 << 8);
    });
}

#[test]
fn c07_parent_death_signal() {
    over_seeds(50, 3, || {
        fork(|| {
            let ready = Flag::default();
            let told = ready.clone();
            fork(move || {
                current_process().set_parent_death_signal(Some(Signal::SIGTERM));
                told.raise();
                linger_until_killed()
            });
            ready.wait();
            0
        });
        let mut ends = [wait_for_end().event.status(), wait_for_end().event.status()];
        ends.sort();
        assert_eq!(ends, [0, 15]);
    });
}

#[test]
fn c07_many_waiters_and_many_children() {
    over_seeds(100, 4, || {
        for _ in 0..3 {
            fork(|| {
                for _ in 0..3 {
                    fork(|| 0);
                }
                // Two threads wait for the same children.
                clone_with(crate::harness::THREAD, || {
                    while wait_for_child(&WaitFor::Any, WaitOptions::EXITED).is_ok() {}
                    0
                });
                while wait_for_child(&WaitFor::Any, WaitOptions::EXITED).is_ok() {}
                0
            });
        }
        for _ in 0..3 {
            wait_for_end();
        }
    });
}
