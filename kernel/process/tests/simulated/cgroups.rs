//! Control groups: what a child gets, and the end of all in one.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use cgroup::Cgroup;
use errno::Errno;
use machine::sim::random;
use process::{CloneArgs, CloneFlags, WaitFor, WaitOptions, kernel_clone, wait_for_child};

use crate::harness::{
    Flag, THREAD, fork, linger_until_killed, once, over_seeds, registers, take_signals,
    wait_for_end,
};

fn make() -> Arc<Cgroup> {
    Cgroup::make(cgroup::root(), b"group", 0, 0).unwrap()
}

fn enter(group: &Arc<Cgroup>) {
    process::move_to_cgroup(&sched::current_ref(), group).unwrap();
}

fn mine() -> Arc<Cgroup> {
    process::cgroup_of(&process::current_process())
}

#[test]
fn c02_into_cgroup() {
    over_seeds(20, 2, || {
        let group = make();
        let find = || Ok(group.clone());
        let into =
            CloneArgs { flags: CloneFlags::INTO_CGROUP, cgroup: Some(&find), ..CloneArgs::FORK };
        let clone = |args: &CloneArgs<'_>, body: fn() -> u32| {
            kernel_clone(args, body, |_| Ok(()), &mut registers())
        };
        let is_in_it = || u32::from(mine().path().unwrap() != b"/group");
        clone(&into, is_in_it).unwrap();
        assert_eq!(wait_for_end().event.status(), 0, "the child is elsewhere");
        assert!(!group.is_populated(), "the child is counted after its end");
        assert!(mine().is_root());
        // A thread is where its process is.
        let thread = CloneArgs { flags: into.flags | THREAD, ..into };
        assert_eq!(clone(&thread, || 0), Err(Errno::EOPNOTSUPP));
        let nowhere = CloneArgs { cgroup: None, ..into };
        assert_eq!(clone(&nowhere, || 0), Err(Errno::EBADF));
        let refuse = || Err(Errno::ENOENT);
        let refused = CloneArgs { cgroup: Some(&refuse), ..into };
        assert_eq!(clone(&refused, || 0), Err(Errno::ENOENT));
        group.remove().unwrap();
        // Found in time, and removed before the child was there.
        assert_eq!(clone(&into, || 0), Err(Errno::ENODEV));
        assert_eq!(cgroup::live_groups(), 1);
    });
}

#[test]
fn c02_into_a_cgroup_that_is_not_ours() {
    once(|| {
        let group = make();
        fork(|| {
            let mut nobody = (*process::credentials()).clone();
            (nobody.fsuid, nobody.euid, nobody.uid) = (1000, 1000, 1000);
            nobody.effective = fs::Capabilities::empty();
            process::set_credentials(Arc::new(nobody));
            let group = Cgroup::make(cgroup::root(), b"mine", 1000, 1000).unwrap();
            let find = || Ok(group.clone());
            let args = CloneArgs {
                flags: CloneFlags::INTO_CGROUP,
                cgroup: Some(&find),
                ..CloneArgs::FORK
            };
            // Its own is not enough: the process comes from the root.
            let refused = kernel_clone(&args, || 0, |_| Ok(()), &mut registers());
            assert_eq!(refused, Err(Errno::EACCES));
            group.remove().unwrap();
            0
        });
        assert_eq!(wait_for_end().event.status(), 0);
        group.remove().unwrap();
    });
}

#[test]
fn k15_a_zombie_is_in_no_group() {
    over_seeds(50, 3, || {
        let group = make();
        enter(&group);
        fork(|| 0);
        enter(cgroup::root());
        wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::NOWAIT).unwrap();
        assert!(!group.is_populated(), "a zombie counts");
        let zombie = process::processes().pop().unwrap();
        assert!(Arc::ptr_eq(&process::cgroup_of(&zombie), &group), "it is forgotten where it was");
        // It stays, and nothing happens.
        let leader = zombie.leader().unwrap();
        assert_eq!(process::move_to_cgroup(&leader, cgroup::root()), Ok(()));
        assert!(Arc::ptr_eq(&process::cgroup_of(&zombie), &group));
        drop((leader, zombie));
        group.remove().unwrap();
        wait_for_end();
    });
}

/// Forks as fast as it can, and so do its children.
fn breed(left: u32) -> u32 {
    loop {
        if let Some(code) = take_signals(&AtomicU32::new(0)) {
            return code;
        }
        if left > 0 && random(3) > 0 {
            let args = CloneArgs { exit_signal: 0, ..CloneArgs::FORK };
            let _ = kernel_clone(&args, move || breed(left - 1), |_| Ok(()), &mut registers());
        }
        let _ = sched::sleep_interruptible(time::monotonic() + random(20_000));
    }
}

/// Nobody in the group outlives one `cgroup.kill`, however many are being born, and others live on.
#[test]
fn k15_kill_misses_no_child() {
    over_seeds(300, 4, || {
        let (group, outside) = (make(), Flag::default());
        let told = outside.clone();
        let other = fork(move || {
            told.raise();
            linger_until_killed()
        });
        outside.wait();
        enter(&group);
        for _ in 0..2 {
            fork(|| breed(2));
        }
        enter(cgroup::root());
        sched::sleep_for(random(200_000));
        process::kill_cgroup(&group);
        let deadline = time::monotonic() + time::SECOND;
        while group.is_populated() {
            assert!(time::monotonic() < deadline, "somebody in the group was missed");
            sched::sleep_for(10_000);
        }
        group.remove().unwrap();
        process::kill(other as i32, Some(process::Signal::SIGKILL)).unwrap();
        while wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::ALL).is_ok() {}
    });
}

/// A fork that meets a move: the child is in one group or the other, and both counts are right.
#[test]
fn k15_fork_against_move() {
    over_seeds(300, 3, || {
        let groups = [make(), make()];
        let (one, two) = (groups[0].clone(), groups[1].clone());
        let child = fork(move || {
            enter(&one);
            for _ in 0..3 {
                fork(|| 0);
            }
            0
        });
        for _ in 0..4 {
            sched::sleep_for(random(50_000));
            if let Some(task) = process::find_task(child) {
                process::move_to_cgroup(&task, &two).unwrap();
            }
        }
        while wait_for_child(&WaitFor::Any, WaitOptions::EXITED | WaitOptions::ALL).is_ok() {}
        for group in groups {
            assert!(!group.is_populated());
            group.remove().unwrap();
        }
    });
}
