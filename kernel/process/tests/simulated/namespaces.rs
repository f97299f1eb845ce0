//! PID namespaces and host names.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use process::{CloneFlags, Signal, Thread, find_task_by_pid_ns, init_pid_ns, kill};

use crate::harness::{
    Flag, clone_with, fork, linger, linger_until_killed, over_seeds, registers, take_signals,
    wait_for_end,
};

#[test]
fn c05_numbers_are_per_namespace() {
    over_seeds(50, 3, || {
        let child = clone_with(CloneFlags::NEWPID, || {
            assert_eq!((process::tgid(), process::ppid()), (1, 0));
            let inner = fork(|| {
                assert_eq!((process::tgid(), process::ppid()), (2, 1));
                let me = sched::current_ref();
                let pid = Thread::of(&me).pid();
                let numbers: Vec<_> = pid.numbers_from(init_pid_ns()).collect();
                assert_eq!(numbers, [me.pid(), 2]);
                0
            });
            assert_eq!(inner, 2);
            assert_eq!(wait_for_end().pid, 2);
            let mine = process::current_pid_namespace();
            assert_eq!(mine.level(), 1);
            assert!(find_task_by_pid_ns(2, &mine).is_none());
            // PID 1 of the system is not in here.
            assert!(find_task_by_pid_ns(1, &mine).is_some_and(|task| task.pid() != 1));
            process::exit_code_of_status(4)
        });
        assert_ne!(child, 1);
        let waited = wait_for_end();
        assert_eq!((waited.pid, waited.event.status()), (child, 4 << 8));
    });
}

#[test]
fn c05_a_namespace_ends_with_its_first_process() {
    over_seeds(200, 3, || {
        clone_with(CloneFlags::NEWPID, || {
            for _ in 0..3 {
                fork(|| {
                    // Perhaps it comes to it, perhaps not.
                    let args = process::CloneArgs::FORK;
                    let _ = process::kernel_clone(
                        &args,
                        linger_until_killed,
                        |_| Ok(()),
                        &mut registers(),
                    );
                    linger_until_killed()
                });
            }
            sched::sleep_for(machine::sim::random(100_000));
            process::exit_code_of_status(1)
        });
        assert_eq!(wait_for_end().event.status(), 1 << 8);
        assert_eq!(process::live_pids(), 2, "all went before their first process did");
    });
}

#[test]
fn c05_the_first_process_can_be_killed_from_outside_only() {
    over_seeds(20, 2, || {
        let ready = Flag::default();
        let told = ready.clone();
        let child = clone_with(CloneFlags::NEWPID, move || {
            fork(|| {
                kill(1, Some(Signal::SIGKILL)).unwrap();
                0
            });
            wait_for_end();
            assert_eq!(take_signals(&AtomicU32::new(0)), None);
            told.raise();
            linger(&AtomicU32::new(0), || false)
        });
        ready.wait();
        kill(child as i32, Some(Signal::SIGTERM)).unwrap();
        sched::sleep_for(time::MILLISECOND);
        assert!(process::find_task(child).is_some(), "it has no handler for it");
        kill(child as i32, Some(Signal::SIGKILL)).unwrap();
        assert_eq!(wait_for_end().event.status(), 9);
    });
}

#[test]
fn c05_host_names_are_per_namespace() {
    over_seeds(5, 1, || {
        let mine = Thread::of(&sched::current()).uts();
        mine.set_host_name(b"outside").unwrap();
        clone_with(CloneFlags::NEWUTS, || {
            let own = Thread::of(&sched::current()).uts();
            assert_eq!(own.host_name(), b"outside");
            own.set_host_name(b"inside").unwrap();
            0
        });
        wait_for_end();
        assert_eq!(mine.host_name(), b"outside");
        assert!(mine.set_host_name(&[b'x'; 65]).is_err());
        fork(|| {
            assert_eq!(Thread::of(&sched::current()).uts().host_name(), b"outside");
            0
        });
        wait_for_end();
        drop(Arc::clone(&mine));
    });
}
