//! `clone` and its flags, `vfork`, threads, `execve`.

use std::sync::Arc;

use errno::Errno;
use process::{
    CloneArgs, CloneFlags, NewProgram, Thread, begin_new_exec, current_process, group_exit,
    kernel_clone,
};

use crate::harness::{
    Flag, THREAD, clone_with, fork, linger_until_killed, once, over_seeds, registers, wait_for_end,
};

#[test]
fn c01_a_child_returns_its_status() {
    over_seeds(50, 3, || {
        let child = fork(|| {
            assert_eq!(process::ppid(), 1);
            process::exit_code_of_status(7)
        });
        let waited = wait_for_end();
        assert_eq!(waited.pid, child);
        assert_eq!(waited.event.status(), 7 << 8);
    });
}

#[test]
fn c02_refusals() {
    once(|| {
        let clone = |args: &CloneArgs<'_>| kernel_clone(args, || 0, |_| Ok(()), &mut registers());
        let with = |flags| CloneArgs { flags, ..CloneArgs::FORK };
        assert_eq!(clone(&with(CloneFlags::THREAD)), Err(Errno::EINVAL));
        // PID 1's children have nobody above PID 1 to go to.
        assert_eq!(clone(&with(CloneFlags::PARENT)), Err(Errno::EINVAL));
        assert_eq!(clone(&with(CloneFlags::NEWNET)), Err(Errno::EINVAL));
        let taken = CloneArgs { set_tid: &[1], ..CloneArgs::FORK };
        assert_eq!(clone(&taken), Err(Errno::EEXIST));
        let too_many = CloneArgs { set_tid: &[5, 5], ..CloneArgs::FORK };
        assert_eq!(clone(&too_many), Err(Errno::EINVAL));
        let refused =
            kernel_clone(&CloneArgs::FORK, || 0, |_| Err::<(), _>(Errno::EMFILE), &mut registers());
        assert_eq!(refused, Err(Errno::EMFILE));
        let chosen = CloneArgs { set_tid: &[77], ..CloneArgs::FORK };
        assert_eq!(clone(&chosen), Ok(77));
        wait_for_end();
    });
}

#[test]
fn c02_a_sibling_is_the_parents_child() {
    over_seeds(20, 2, || {
        fork(|| {
            clone_with(CloneFlags::PARENT, || {
                assert_eq!(process::ppid(), 1);
                process::exit_code_of_status(2)
            });
            process::exit_code_of_status(1)
        });
        let mut seen = [wait_for_end().event.status() >> 8, wait_for_end().event.status() >> 8];
        seen.sort();
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn c03_vfork_holds_the_parent() {
    over_seeds(50, 3, || {
        let done = Flag::default();
        let told = done.clone();
        clone_with(CloneFlags::VFORK, move || {
            sched::sleep_for(time::MICROSECOND * 50);
            told.raise();
            0
        });
        assert!(done.is_up(), "the parent went on before the child ended");
        wait_for_end();
    });
}

#[test]
fn c03_a_killed_parent_does_not_wait_for_its_vfork_child() {
    over_seeds(50, 2, || {
        let (born, over) = (Flag::default(), Flag::default());
        let (tell, until) = (born.clone(), over.clone());
        let parent = fork(move || {
            clone_with(CloneFlags::VFORK, move || {
                tell.raise();
                until.wait();
                0
            });
            linger_until_killed()
        });
        born.wait();
        process::kill(parent as i32, Some(process::Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event.status(), 9);
        over.raise();
        // The orphan came to PID 1.
        assert_eq!(wait_for_end().event.status(), 0);
    });
}

#[test]
fn c07_threads_share_a_process_and_end_with_it() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            let started = Flag::default();
            for _ in 0..3 {
                let started = started.clone();
                clone_with(THREAD, move || {
                    started.raise();
                    linger_until_killed()
                });
            }
            started.wait_for(3);
            let process = current_process();
            assert_eq!(process.thread_count(), 4);
            assert_eq!(process::tid(), process::tgid());
            group_exit(process::exit_code_of_status(5))
        });
        let waited = wait_for_end();
        assert_eq!((waited.pid, waited.event.status()), (child, 5 << 8));
    });
}

#[test]
fn c07_a_process_lives_as_long_as_its_last_thread() {
    over_seeds(100, 3, || {
        let over = Flag::default();
        let until = over.clone();
        fork(move || {
            clone_with(THREAD, move || {
                assert_ne!(process::tid(), process::tgid());
                until.wait();
                group_exit(process::exit_code_of_status(3))
            });
            // The leader ends first, and its status is not the process's.
            process::exit_code_of_status(1)
        });
        sched::sleep_for(time::MILLISECOND);
        let early = process::wait_for_child(
            &process::WaitFor::Any,
            process::WaitOptions::EXITED | process::WaitOptions::NOHANG,
        );
        assert!(matches!(early, Ok(None)), "{early:?}");
        over.raise();
        assert_eq!(wait_for_end().event.status(), 3 << 8);
    });
}

#[test]
fn c07_any_thread_may_execute_a_program() {
    over_seeds(100, 3, || {
        let child = fork(|| {
            let started = Flag::default();
            let told = started.clone();
            clone_with(THREAD, move || {
                told.raise();
                linger_until_killed()
            });
            started.wait();
            clone_with(THREAD, || {
                let me = sched::current_ref();
                let before = process::tid();
                assert_ne!(before, process::tgid());
                begin_new_exec(NewProgram {
                    mm: vm::Mm::new().unwrap(),
                    credentials: process::credentials(),
                    comm: b"program",
                })
                .unwrap();
                assert_eq!(process::tid(), process::tgid(), "it is the leader now");
                assert_eq!(me.pid(), process::tgid());
                assert!(process::find_task(before).is_none());
                assert_eq!(current_process().thread_count(), 1);
                assert!(Arc::ptr_eq(&me, &process::find_task(process::tgid()).unwrap()));
                assert!(Thread::of(&me).is_leader());
                process::exit_code_of_status(9)
            });
            linger_until_killed()
        });
        let waited = wait_for_end();
        assert_eq!((waited.pid, waited.event.status()), (child, 9 << 8));
    });
}

#[test]
fn c07_two_threads_execute_at_once() {
    over_seeds(200, 3, || {
        fork(|| {
            let execute = || {
                let done = begin_new_exec(NewProgram {
                    mm: vm::Mm::new().unwrap(),
                    credentials: process::credentials(),
                    comm: b"program",
                });
                match done {
                    Ok(()) => process::exit_code_of_status(4),
                    Err(error) => {
                        assert_eq!(error, Errno::EAGAIN);
                        linger_until_killed()
                    }
                }
            };
            clone_with(THREAD, execute);
            execute()
        });
        assert_eq!(wait_for_end().event.status(), 4 << 8);
    });
}

#[test]
fn c02_signals_to_one_process_do_not_keep_it_from_forking() {
    once(|| {
        let child = fork(|| {
            let other = fork(linger_until_killed);
            // Sent after the fork's first look: they wait until it is done.
            let me = process::tgid() as i32;
            let signalled = kernel_clone(
                &CloneArgs::FORK,
                || 0,
                |_| {
                    process::signal::set_mask(process::SigSet::EMPTY);
                    process::kill(me, Some(process::Signal::SIGCONT))?;
                    process::kill(me, Some(process::Signal::SIGTSTP))
                },
                &mut registers(),
            );
            assert!(signalled.is_ok(), "{signalled:?}");
            let shared = kernel_clone(
                &CloneArgs::FORK,
                || 0,
                |_| process::kill(0, Some(process::Signal::SIGWINCH)),
                &mut registers(),
            );
            assert_eq!(shared, Err(Errno::ERESTARTNOINTR), "one that all of a group get");
            process::kill(other as i32, Some(process::Signal::SIGKILL)).unwrap();
            0
        });
        let _ = child;
        wait_for_end();
        while process::wait_for_child(&process::WaitFor::Any, process::WaitOptions::EXITED).is_ok()
        {
        }
    });
}
