//! What programs do with it while it lives.

use errno::Errno;
use fs::OpenFlags;
use softdog::parameters;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};

use crate::harness::{
    World, dawdle, ioctl, join, over_seeds, plain, sleep, spawn, spawn_on, write,
};

const GETSTATUS: u32 = 0x8004_5701;
const SETOPTIONS: u32 = 0x8004_5704;
const KEEPALIVE: u32 = 0x8004_5705;
const SETTIMEOUT: u32 = 0xc004_5706;
const GETTIMEOUT: u32 = 0x8004_5707;
const SETPRETIMEOUT: u32 = 0xc004_5708;
const GETPRETIMEOUT: u32 = 0x8004_5709;

#[test]
fn d3_kept_alive_it_stays_quiet() {
    over_seeds(10, 2, plain, || {
        let world = World::new();
        assert_eq!(world.shown("state"), "inactive");
        let file = world.dog().unwrap();
        for turn in 0..20 {
            assert_eq!(world.shown("state"), "active");
            sleep(40);
            match turn % 3 {
                0 => write(&file, b"x").unwrap(),
                1 => _ = ioctl(&file, KEEPALIVE, 0).unwrap(),
                _ => assert_eq!(ioctl(&file, SETTIMEOUT, 60), Ok(60)),
            }
        }
        write(&file, b"xVx").unwrap();
        drop(file);
        assert_eq!(world.shown("state"), "inactive");
        sleep(1000);
    });
}

#[test]
fn d3_numbers_and_errors_are_linux_s() {
    over_seeds(5, 1, plain, || {
        let world = World::new();
        let file = world.dog().unwrap();
        let status = || ioctl(&file, GETSTATUS, 0);
        assert_eq!((status(), status()), (Ok(0x8200), Ok(0x200)), "told once");
        for (asked, answer) in [
            (0, Err(Errno::EINVAL)),
            (u32::MAX, Err(Errno::EINVAL)),
            (65536, Err(Errno::EINVAL)),
            (65535, Ok(65535)),
            (1, Ok(1)),
            (60, Ok(60)),
        ] {
            assert_eq!(ioctl(&file, SETTIMEOUT, asked), answer);
        }
        for (asked, answer) in
            [(60, Err(Errno::EINVAL)), (u32::MAX, Err(Errno::EINVAL)), (59, Ok(59)), (30, Ok(30))]
        {
            assert_eq!(ioctl(&file, SETPRETIMEOUT, asked), answer);
        }
        // A time-out that leaves room for the warning keeps it; another one does not.
        for (timeout, left) in [(31, 30), (30, 0), (60, 0)] {
            assert_eq!(ioctl(&file, SETTIMEOUT, timeout), Ok(timeout));
            assert_eq!(ioctl(&file, GETPRETIMEOUT, 7), Ok(left));
            assert_eq!(world.shown("timeout"), timeout.to_string());
        }
        for options in [0, 4, 8] {
            assert_eq!(ioctl(&file, SETOPTIONS, options), Err(Errno::ENOTTY));
        }
        // Off: nothing counts, and a sign of life starts nothing.
        assert_eq!(ioctl(&file, SETOPTIONS, 1), Ok(1));
        assert_eq!(ioctl(&file, KEEPALIVE, 0), Ok(0));
        assert_eq!(world.shown("state"), "inactive");
        sleep(100);
        assert_eq!(ioctl(&file, SETOPTIONS, 3), Ok(3));
        assert_eq!(world.shown("state"), "active");
        for (command, error) in [
            (0x8004_5703, Errno::ENOTTY),
            (0x8004_570a, Errno::EOPNOTSUPP),
            (0x5763, Errno::ENOTTY),
        ] {
            assert_eq!(ioctl(&file, command, 0), Err(error));
        }
        for command in [0x8028_5700, GETSTATUS, SETOPTIONS, SETTIMEOUT, GETTIMEOUT, SETPRETIMEOUT] {
            assert_eq!(file.ioctl(command, 0), Err(Errno::EFAULT));
        }
        let mut bytes = [0; 4];
        assert_eq!(file.read(&mut &mut bytes[..]), Err(Errno::EINVAL));
        assert_eq!(ioctl(&file, SETOPTIONS, 1), Ok(1));
    });
}

/// The magic character counts only in the last write.
#[test]
fn d3_magic_is_forgotten() {
    over_seeds(5, 1, plain, || {
        let world = World::new();
        let file = world.dog().unwrap();
        write(&file, b"V").unwrap();
        assert_eq!(ioctl(&file, GETSTATUS, 0), Ok(0x8300));
        write(&file, b"").unwrap();
        write(&file, b"still here").unwrap();
        drop(file);
        assert_eq!(world.shown("state"), "active");
        // Whoever opens it next can do it right.
        write(&world.dog().unwrap(), b"V").unwrap();
        assert_eq!(world.shown("state"), "inactive");
        sleep(100);
    });
}

#[test]
fn d3_no_way_out() {
    over_seeds(
        5,
        1,
        || parameters::NOWAYOUT.store(true, Relaxed),
        || {
            let world = World::new();
            assert_eq!(world.shown("nowayout"), "1");
            let nowayout = "/sys/class/watchdog/watchdog0/nowayout";
            assert_eq!(world.store(nowayout, "0"), Err(Errno::EPERM));
            assert_eq!(world.store(nowayout, "2"), Err(Errno::EINVAL));
            let file = world.dog().unwrap();
            assert_eq!(ioctl(&file, SETOPTIONS, 1), Err(Errno::EBUSY));
            sleep(50);
            write(&file, b"V").unwrap();
            drop(file);
            assert_eq!(world.shown("state"), "active");
            sleep(50);
            let _kept = world.dog().unwrap();
            write(&_kept, b"x").unwrap();
            crate::harness::reset_in(60);
        },
    );
}

#[test]
fn d3_one_program_at_a_time() {
    /// How many programs have it open.
    static HAVE_IT: AtomicU32 = AtomicU32::new(0);
    over_seeds(300, 3, plain, || {
        HAVE_IT.store(0, SeqCst);
        let threads = ["/watchdog", "/watchdog0"].map(|path| {
            spawn(move || {
                let world = World::new();
                for _ in 0..4 {
                    match world.open(path, OpenFlags::WRONLY) {
                        Ok(file) => {
                            assert_eq!(HAVE_IT.fetch_add(1, SeqCst), 0, "two have it open");
                            assert_eq!(world.dog().err(), Some(Errno::EBUSY));
                            dawdle();
                            write(&file, b"V").unwrap();
                            HAVE_IT.fetch_sub(1, SeqCst);
                        }
                        Err(error) => assert_eq!(error, Errno::EBUSY),
                    }
                    dawdle();
                }
            })
        });
        threads.into_iter().for_each(join);
        assert_eq!(World::new().shown("state"), "inactive");
        sleep(100);
    });
}

/// Closed on one CPU as its time is up on another: the machine is reset before the close is over, or not at all.
#[test]
fn d3_stopped_at_the_last_moment() {
    static IS_CLOSED: AtomicBool = AtomicBool::new(false);
    over_seeds(600, 2, plain, || {
        IS_CLOSED.store(false, SeqCst);
        machine::sim::expect_reset(|| {
            if IS_CLOSED.load(SeqCst) {
                machine::sim::fail("it was stopped, and the machine was reset");
            }
        });
        let world = World::new();
        for _ in 0..10 {
            let file = world.dog().unwrap();
            assert_eq!(ioctl(&file, SETTIMEOUT, 1), Ok(1));
            // The timer is where it is given its last sign of life.
            let started = spawn_on(0, move || {
                let now = time::monotonic();
                write(&file, b"V").unwrap();
                (file, now + time::SECOND)
            });
            let (file, end) = started.take();
            let closed = spawn_on(1, move || {
                sched::sleep_until(end - 50_000);
                while time::monotonic() < end {
                    machine::cpu::relax();
                }
                // The other CPU takes the interrupt in one of the next steps.
                (0..machine::sim::random(40)).for_each(|_| machine::irq::point());
                drop(file);
                IS_CLOSED.store(true, SeqCst);
            });
            closed.take();
            assert_eq!(world.shown("state"), "inactive");
            sleep(2);
            IS_CLOSED.store(false, SeqCst);
        }
    });
}
