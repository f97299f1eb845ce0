//! A driver that comes and goes, and a watchdog that counts before a program has come.

use std::sync::atomic::Ordering::Relaxed;

use errno::Errno;
use fs::OpenFlags;
use softdog::parameters;

use crate::harness::{
    DRIVER, World, dawdle, ioctl, join, over_seeds, plain, reset_in, sleep, spawn, write,
};

const GETTIMEOUT: u32 = 0x8004_5707;

fn bind(world: &World) -> errno::Result<()> {
    world.store(&format!("{DRIVER}/bind"), "softdog\n")
}

fn unbind(world: &World) -> errno::Result<()> {
    world.store(&format!("{DRIVER}/unbind"), "softdog")
}

fn threads_named(name: &str) -> usize {
    let mut count = 0;
    process::for_each_task(|task| count += usize::from(task.comm().as_bytes() == name.as_bytes()));
    count
}

fn active_on_boot() {
    parameters::SOFT_ACTIVE_ON_BOOT.store(true, Relaxed);
}

#[test]
fn d3_the_kernel_keeps_it_quiet_before_a_program() {
    over_seeds(10, 2, active_on_boot, || {
        let world = World::new();
        assert_eq!(threads_named("watchdogd"), 1);
        sleep(1000);
        assert_eq!(world.shown("state"), "inactive");
        let _file = world.dog().unwrap();
        // From here on it is the program's.
        reset_in(60);
    });
}

#[test]
fn d3_the_kernel_does_so_for_a_while() {
    let prepare = || {
        active_on_boot();
        parameters::OPEN_TIMEOUT.store(200, Relaxed);
    };
    over_seeds(10, 2, prepare, || {
        let start = time::monotonic() / time::SECOND;
        assert_eq!(start, 0, "booting takes no time");
        // The last sign is given so long before the deadline that the end comes with it.
        reset_in(200);
    });
}

#[test]
fn d3_the_kernel_may_be_told_not_to() {
    let prepare = || {
        active_on_boot();
        parameters::HANDLE_BOOT_ENABLED.store(false, Relaxed);
    };
    over_seeds(5, 2, prepare, || {
        assert_eq!(threads_named("watchdogd"), 0);
        reset_in(60);
    });
}

#[test]
fn d3_a_driver_leaves_an_open_file() {
    over_seeds(50, 2, plain, || {
        let world = World::new();
        assert_eq!(threads_named("watchdogd"), 0, "it has nothing to do");
        let file = world.dog().unwrap();
        unbind(&world).unwrap();
        assert_eq!(unbind(&world), Err(Errno::ENODEV));
        assert_eq!(world.dog().err(), Some(Errno::ENOENT));
        assert!(world.read("/sys/class/watchdog/watchdog0/state").is_err());
        assert_eq!(write(&file, b"V"), Err(Errno::ENODEV));
        assert_eq!(ioctl(&file, GETTIMEOUT, 0), Err(Errno::ENODEV));
        drop(file);
        sleep(30);
        // It counts on. A driver that comes back finds it so, and the kernel keeps it quiet.
        bind(&world).unwrap();
        assert_eq!(bind(&world), Err(Errno::EBUSY));
        assert_eq!(threads_named("watchdogd"), 1);
        assert_eq!(world.shown("state"), "inactive");
        sleep(300);
        write(&world.dog().unwrap(), b"V").unwrap();
        unbind(&world).unwrap();
        assert_eq!(threads_named("watchdogd"), 0);
        sleep(300);
    });
}

#[test]
fn d3_nobody_left() {
    over_seeds(10, 2, plain, || {
        let world = World::new();
        let file = world.dog().unwrap();
        unbind(&world).unwrap();
        drop(file);
        reset_in(60);
    });
}

/// A driver that comes and goes while programs open, write and close.
#[test]
fn d3_against_programs() {
    over_seeds(300, 3, plain, || {
        let drivers = spawn(|| {
            let world = World::new();
            for _ in 0..3 {
                unbind(&world).unwrap();
                dawdle();
                bind(&world).unwrap();
                dawdle();
            }
        });
        let programs = ["/watchdog", "/watchdog0"].map(|path| {
            spawn(move || {
                let world = World::new();
                for _ in 0..4 {
                    match world.open(path, OpenFlags::WRONLY) {
                        Ok(file) => {
                            dawdle();
                            let written = write(&file, b"V");
                            assert!(matches!(written, Ok(()) | Err(Errno::ENODEV)), "{written:?}");
                        }
                        Err(Errno::EBUSY | Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => {}
                        Err(error) => panic!("{error}"),
                    }
                    dawdle();
                }
            })
        });
        join(drivers);
        programs.into_iter().for_each(join);
        // Whatever has happened, there is one that can be had and stopped.
        let world = World::new();
        write(&world.dog().unwrap(), b"V").unwrap();
        assert_eq!(world.shown("state"), "inactive");
        sleep(100);
    });
}
