//! Several at once, against each other and against programs.

use sched::{SIGNAL_FATAL, state};

use crate::harness::{World, builder, dawdle, join, over_seeds, spawn};

/// Devices in one directory, which comes and goes with them.
#[test]
fn d4_adds_and_removes_at_once() {
    over_seeds(300, 3, || {
        let world = World::new();
        let before = world.census();
        let threads = [("in/1", 1), ("in/2", 2), ("in/deep/3", 3)].map(|(path, minor)| {
            let world = World::new();
            spawn(move || {
                for _ in 0..3 {
                    let device = builder(minor).node_path(path).add().unwrap();
                    assert_eq!(world.node(path).unwrap().3, u64::from(minor));
                    dawdle();
                    device.remove();
                    assert!(!world.exists(path));
                }
            })
        });
        threads.into_iter().for_each(join);
        let after = world.census();
        assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
        assert!(after[1].is_empty() && after[3].is_empty());
    });
}

/// Two want the same device: one of them has it at a time.
#[test]
fn d4_one_name_at_a_time() {
    over_seeds(200, 3, || {
        let threads = [0, 1].map(|_| {
            spawn(|| {
                for _ in 0..3 {
                    match builder(1).add() {
                        Ok(device) => {
                            dawdle();
                            device.remove();
                        }
                        Err(error) => assert_eq!(error, errno::Errno::EEXIST),
                    }
                }
            })
        });
        threads.into_iter().for_each(join);
        let world = World::new();
        assert!(!world.exists("/test1"));
        assert!(world.list("/sys/class/test").is_empty());
    });
}

/// A program takes names away, and puts others there, at any moment.
#[test]
fn d4_against_programs() {
    over_seeds(300, 3, || {
        let adder = spawn(|| {
            for _ in 0..4 {
                // A program's file may stand where the directory is to be.
                if let Ok(device) = builder(1).node_path("in/1").add() {
                    dawdle();
                    device.remove();
                }
            }
        });
        let program = spawn(|| {
            let world = World::new();
            for _ in 0..6 {
                // Each of these may find the name gone, taken, or in use.
                let _ = match machine::sim::random(6) {
                    0 => world.unlink("/in/1"),
                    1 => world.mknod("/in/1", 1),
                    2 => world.rmdir("/in"),
                    3 => world.mkdir("/in"),
                    4 => world.rename("/in/1", "/in/2"),
                    _ => world.stat("/in/1").map(drop),
                };
                dawdle();
            }
        });
        join(adder);
        join(program);
        // What is left is the program's: nothing of the kernel's has the name and the mode.
        let world = World::new();
        if let Ok(node) = world.node("/in/1") {
            assert_eq!(node.0, 0o020640, "a node of the kernel's was left");
        }
        // And the tree still works.
        for name in ["/in/1", "/in/2"] {
            let _ = world.unlink(name);
        }
        builder(2).node_path("in/2").add().unwrap().remove();
        assert!(!world.exists("/in/2"));
    });
}

/// One that is killed while it waits has what it has asked for.
#[test]
fn d4_a_killed_waiter_gets_its_answer() {
    over_seeds(200, 2, || {
        let thread = spawn(|| {
            let device = builder(1).add().unwrap();
            assert!(World::new().exists("/test1"));
            device.remove();
            assert!(!World::new().exists("/test1"));
        });
        dawdle();
        thread.task().add_signal(SIGNAL_FATAL);
        sched::wake_up_state(thread.task(), state::WAKEKILL | state::INTERRUPTIBLE);
        join(thread);
    });
}
