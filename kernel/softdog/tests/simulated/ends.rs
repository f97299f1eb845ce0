//! How the machine ends if nobody gives a sign of life.

use std::sync::atomic::Ordering::Relaxed;

use softdog::parameters;

use crate::harness::{CLASS, World, ioctl, over_seeds, panic_in, plain, reset_in, sleep, write};

const SETTIMEOUT: u32 = 0xc004_5706;
const SETPRETIMEOUT: u32 = 0xc004_5708;
const KEEPALIVE: u32 = 0x8004_5705;

#[test]
fn d3_left_alone_it_resets() {
    over_seeds(10, 2, plain, || {
        let file = World::new().dog().unwrap();
        sleep(30);
        write(&file, b"x").unwrap();
        reset_in(60);
    });
}

#[test]
fn d3_the_margin_is_the_command_line_s() {
    let margin = || parameters::SOFT_MARGIN.store(7, Relaxed);
    over_seeds(5, 1, margin, || {
        let _file = World::new().dog().unwrap();
        reset_in(7);
    });
    let bad = || parameters::SOFT_MARGIN.store(70_000, Relaxed);
    over_seeds(5, 1, bad, || {
        let _file = World::new().dog().unwrap();
        reset_in(60);
    });
}

/// A new time-out counts from then on.
#[test]
fn d3_a_new_time_out_begins_anew() {
    over_seeds(5, 1, plain, || {
        let file = World::new().dog().unwrap();
        sleep(50);
        assert_eq!(ioctl(&file, SETTIMEOUT, 20), Ok(20));
        reset_in(20);
    });
}

#[test]
fn d3_closed_without_magic_it_goes_on() {
    over_seeds(10, 2, plain, || {
        let world = World::new();
        let file = world.dog().unwrap();
        sleep(30);
        drop(file);
        assert_eq!(world.shown("state"), "active");
        // The close was a last sign of life.
        reset_in(60);
    });
}

#[test]
fn d3_it_may_panic_instead() {
    over_seeds(
        5,
        2,
        || parameters::SOFT_PANIC.store(true, Relaxed),
        || {
            let _file = World::new().dog().unwrap();
            panic_in(60, "Software Watchdog Timer expired");
        },
    );
}

#[test]
fn d3_it_may_only_say_so() {
    over_seeds(
        5,
        2,
        || parameters::SOFT_NOBOOT.store(true, Relaxed),
        || {
            let world = World::new();
            let file = world.dog().unwrap();
            sleep(200);
            // It can be used as before.
            write(&file, b"V").unwrap();
            drop(file);
            assert_eq!(world.shown("state"), "inactive");
        },
    );
}

#[test]
fn d3_the_warning_comes_before() {
    over_seeds(10, 2, plain, || {
        let world = World::new();
        let governor = format!("{CLASS}/pretimeout_governor");
        assert_eq!(world.read(&governor).unwrap(), "noop\n");
        assert_eq!(world.shown("pretimeout_available_governors"), "noop\npanic");
        assert_eq!(world.store(&governor, "other\n"), Err(errno::Errno::EINVAL));
        world.store(&governor, "panic\n").unwrap();
        let file = world.dog().unwrap();
        assert_eq!(ioctl(&file, SETPRETIMEOUT, 10), Ok(10));
        assert_eq!(world.shown("pretimeout"), "10");
        // It is due once it has been told to wait again.
        sleep(55);
        for _ in 0..3 {
            ioctl(&file, KEEPALIVE, 0).unwrap();
            sleep(45);
        }
        ioctl(&file, KEEPALIVE, 0).unwrap();
        panic_in(50, "watchdog pretimeout event");
    });
}

#[test]
fn d3_the_warning_ends_with_it() {
    over_seeds(5, 2, plain, || {
        let world = World::new();
        world.store(&format!("{CLASS}/pretimeout_governor"), "panic").unwrap();
        let file = world.dog().unwrap();
        assert_eq!(ioctl(&file, SETPRETIMEOUT, 10), Ok(10));
        write(&file, b"V").unwrap();
        drop(file);
        sleep(100);
        // One that is taken back is not due any more from the next sign of life on.
        let file = world.dog().unwrap();
        assert_eq!(ioctl(&file, SETPRETIMEOUT, 0), Ok(0));
        for _ in 0..3 {
            write(&file, b"V").unwrap();
            sleep(55);
        }
        write(&file, b"V").unwrap();
    });
}
