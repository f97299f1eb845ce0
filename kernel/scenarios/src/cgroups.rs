//! Control groups: who stays in the root, and groups under everything at once.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use cgroup::Cgroup;
use errno::Errno;
use kthread::{Builder, Exit};
use process::{CloneFlags, KernelThread};
use sched::TaskRef;

use crate::tools::{dawdle, join_all, random, spawn};

/// A group in another.
fn make(parent: &Arc<Cgroup>) -> Arc<Cgroup> {
    Cgroup::make(parent, b"group", 0, 0).expect("a group can be made")
}

fn is_in(task: &TaskRef, group: &Arc<Cgroup>) -> bool {
    Arc::ptr_eq(&process::cgroup_of(process::process_of(task)), group)
}

pub(crate) fn kthreads_stay_in_the_root() {
    let (root, group) = (cgroup::root(), make(cgroup::root()));
    let kthreadd = process::find_task(2).expect("PID 2");
    assert_eq!(process::move_to_cgroup(&kthreadd, &group), Err(Errno::EINVAL));
    let migration = process::find_task(3).expect("the first thread that kthreadd makes");
    assert_eq!(process::move_to_cgroup(&migration, &group), Err(Errno::EINVAL), "{migration:?}");
    // One that has not begun its function cannot be moved, whatever it will be.
    let unwoken = Builder::new(format_args!("unwoken")).create(|_| 0).expect("a thread");
    assert_eq!(process::move_to_cgroup(unwoken.task(), &group), Err(Errno::EINVAL));
    assert_eq!(unwoken.stop(), Exit::NeverRan);
    // One that has can, and what it asks for is made in the root all the same.
    let home = group.clone();
    let mover = spawn("mover", move |_| {
        let me = sched::current_ref();
        dawdle();
        assert_eq!(process::move_to_cgroup(&me, &home), Ok(()));
        let born = spawn("born", |_| {
            let in_root = is_in(&sched::current_ref(), cgroup::root());
            i32::from(!in_root)
        });
        assert_eq!(born.join(), Exit::Returned(0), "a thread was born outside the root");
        assert!(is_in(&me, &home) && home.is_populated());
        assert_eq!(home.remove(), Err(Errno::EBUSY));
        assert_eq!(process::move_to_cgroup(&me, cgroup::root()), Ok(()));
        i32::from(home.is_populated())
    });
    assert_eq!(mover.join(), Exit::Returned(0));
    assert!(root.is_populated());
    assert_eq!(group.remove(), Ok(()));
    assert_eq!(process::move_to_cgroup(&sched::current_ref(), &group), Err(Errno::ENODEV));
}

/// A family: a thread in a group whose children are born there and end there.
fn found_a_family(group: &Arc<Cgroup>, left: &Arc<AtomicUsize>) {
    for _ in 0..1 + random(3) {
        let (home, count) = (group.clone(), left.clone());
        left.fetch_add(1, Ordering::SeqCst);
        let child = process::kernel_thread(KernelThread {
            name: b"child",
            node: None,
            flags: CloneFlags::FS | CloneFlags::FILES,
            function: move || {
                dawdle();
                if random(2) == 0 {
                    // It may have been removed: but not with anybody in it.
                    let moved = process::move_to_cgroup(&sched::current_ref(), &home);
                    assert!(matches!(moved, Ok(()) | Err(Errno::ENODEV)));
                }
                count.fetch_sub(1, Ordering::SeqCst);
                0
            },
        });
        if child.is_err() {
            left.fetch_sub(1, Ordering::SeqCst);
        }
        dawdle();
    }
}

/// Whatever goes on, a group with somebody in it is not removed, one that has been removed has nobody in it, and in the end nothing
/// is left.
pub(crate) fn against_everything() {
    let top = make(cgroup::root());
    let groups: Arc<Vec<_>> = Arc::new((0..3).map(|_| make(&top)).collect());
    let left = Arc::new(AtomicUsize::new(0));
    let actors = (0..4).map(|number| {
        let (groups, left) = (groups.clone(), left.clone());
        spawn("actor", move |_| {
            let me = sched::current_ref();
            for _ in 0..6 {
                let group = &groups[random(groups.len() as u64) as usize];
                match number {
                    0 | 1 => {
                        if process::move_to_cgroup(&me, group).is_ok() {
                            assert!(is_in(&me, group) && group.is_online() && group.is_populated());
                            found_a_family(&groups[random(3) as usize], &left);
                            assert!(group.is_online(), "a group was removed with somebody in it");
                        }
                    }
                    2 => process::for_each_task(|task| {
                        if task.comm().as_bytes() == b"child" {
                            let moved = process::move_to_cgroup(task, group);
                            // A child is a kernel thread that nobody has bound.
                            assert!(matches!(moved, Ok(()) | Err(Errno::ENODEV)));
                        }
                    }),
                    _ => match group.remove() {
                        Ok(()) => {
                            let inside = process::processes_of(group).expect("memory");
                            assert!(inside.is_empty() && !group.is_populated());
                        }
                        Err(Errno::ENODEV) => assert!(!group.is_populated()),
                        Err(error) => {
                            assert_eq!(error, Errno::EBUSY);
                            // Kernel threads are left alone.
                            process::kill_cgroup(group);
                        }
                    },
                }
                dawdle();
            }
            i32::from(process::move_to_cgroup(&me, cgroup::root()).is_err())
        })
    });
    join_all(actors.collect());
    while left.load(Ordering::SeqCst) > 0 || top.is_populated() {
        sched::sleep_for(10_000);
    }
    for group in groups.iter() {
        assert!(!group.is_populated());
        if group.is_online() {
            assert_eq!(group.remove(), Ok(()));
        }
    }
    assert_eq!(top.statistics().descendants, 0);
    assert_eq!(top.statistics().dying_descendants, 3);
    drop(groups);
    // An ended thread's stack may still hold one for some instructions.
    while top.statistics().dying_descendants > 0 {
        sched::sleep_for(10_000);
    }
    assert_eq!(top.remove(), Ok(()));
}

pub(crate) fn limits() {
    let top = make(cgroup::root());
    top.set_max_depth(cgroup::Limit::Of(2));
    let one = make(&top);
    let two = make(&one);
    assert!(matches!(Cgroup::make(&two, b"three", 0, 0), Err(Errno::EAGAIN)));
    top.set_max_descendants(cgroup::Limit::Of(2));
    assert!(matches!(Cgroup::make(&top, b"other", 0, 0), Err(Errno::EAGAIN)));
    assert_eq!(two.path().expect("memory"), b"/group/group/group");
    assert_eq!(one.remove(), Err(Errno::EBUSY), "there is a group below it");
    assert_eq!(two.remove(), Ok(()));
    assert!(matches!(Cgroup::make(&two, b"late", 0, 0), Err(Errno::ENODEV)));
    assert_eq!((top.statistics().descendants, top.statistics().dying_descendants), (1, 1));
    drop(two);
    assert_eq!((top.statistics().descendants, top.statistics().dying_descendants), (1, 0));
    assert_eq!(one.remove(), Ok(()));
    drop(one);
    assert_eq!(top.remove(), Ok(()));
}
