//! The files about the whole system, and the settings.

use std::sync::atomic::{AtomicI64, Ordering};

use errno::Errno;
use fs::{OpenFlags, SeekFrom};
use procfs::{Sysctl, register_sysctl};

use crate::harness::{list, open, over_seeds, read, read_on, write};

#[test]
fn every_file_can_be_read() {
    over_seeds(1, 2, || {
        for name in list("") {
            // The last one is there to be written.
            const OTHERS: [&str; 7] =
                [".", "..", "kmsg", "sys", "self", "thread-self", "sysrq-trigger"];
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            if name.parse::<u32>().is_err() {
                can_be_read(&name);
            }
        }
    });
}

/// A file, or each file of a directory.
fn can_be_read(path: &str) {
    match read(path) {
        Ok(_) => (),
        Err(Errno::EISDIR) => {
            for name in list(path).iter().filter(|name| !matches!(name.as_str(), "." | "..")) {
                can_be_read(&format!("{path}/{name}"));
            }
        }
        Err(error) => panic!("{path}: {error}"),
    }
}

#[test]
fn s08_time_and_load_have_linux_shape() {
    over_seeds(1, 2, || {
        sched::sleep_for(2 * time::SECOND);
        let uptime = read("uptime").unwrap();
        let seconds: Vec<f64> = uptime.split_whitespace().map(|it| it.parse().unwrap()).collect();
        assert!(seconds[0] >= 2.0 && seconds[0] < 2.5, "{uptime}");
        assert!(seconds[1] > 3.5, "two CPUs were idle: {uptime}");
        let load = read("loadavg").unwrap();
        assert_eq!(load.split_whitespace().count(), 5, "{load}");
        assert!(
            load.contains("/7 "),
            "PID 1, kthreadd, two workers a CPU and an unbound one: {load}"
        );
        let stat = read("stat").unwrap();
        let mut lines = stat.lines();
        let all: Vec<u64> = lines
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|it| it.parse().unwrap())
            .collect();
        assert_eq!(all.len(), 10);
        assert!(all[3] >= 350, "idle: {stat}");
        assert!(lines.next().unwrap().starts_with("cpu0 "));
        for name in ["intr", "ctxt", "btime", "processes", "procs_running", "procs_blocked"] {
            assert!(stat.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
        }
    });
}

#[test]
fn a_reader_that_goes_back_sees_the_present() {
    over_seeds(1, 1, || {
        let file = open("uptime", OpenFlags::empty()).unwrap();
        let first = read_on(&file).unwrap();
        assert_eq!(read_on(&file).unwrap(), "");
        sched::sleep_for(time::SECOND);
        file.seek(SeekFrom::Start(0)).unwrap();
        assert_ne!(read_on(&file).unwrap(), first);
    });
}

#[test]
fn settings_keep_their_bounds() {
    over_seeds(1, 1, || {
        static VALUE: AtomicI64 = AtomicI64::new(5);
        register_sysctl("kernel/test/value", 0o644, Sysctl::integer(&VALUE, -1..=10)).unwrap();
        let again = register_sysctl("kernel/test/value", 0o644, Sysctl::constant("x"));
        assert_eq!(again, Err(Errno::EEXIST));
        assert_eq!(read("sys/kernel/test/value").unwrap(), "5\n");
        assert_eq!(write("sys/kernel/test/value", b"-1\n"), Ok(3));
        assert_eq!(VALUE.load(Ordering::Relaxed), -1);
        for bad in [&b"11"[..], b"-2", b"five", b"", b"99999999999999999999"] {
            assert!(matches!(write("sys/kernel/test/value", bad), Err(Errno::EINVAL) | Ok(0)));
        }
        assert_eq!(VALUE.load(Ordering::Relaxed), -1);
    });
}

#[test]
fn the_kernels_own_settings_work() {
    over_seeds(1, 1, || {
        write("sys/kernel/hostname", b"loom\n").unwrap();
        assert_eq!(read("sys/kernel/hostname").unwrap(), "loom\n");
        assert_eq!(write("sys/kernel/pid_max", b"300"), Err(Errno::EINVAL));
        write("sys/kernel/pid_max", b"1000").unwrap();
        assert_eq!(process::pid_max(), 1000);
        assert_eq!(read("sys/kernel/sched_rt_runtime_us").unwrap(), "950000\n");
        write("sys/kernel/sched_rt_runtime_us", b"-1").unwrap();
        assert_eq!(sched::rt_bandwidth().1, None);
        assert_eq!(write("sys/kernel/ostype", b"x"), Err(Errno::EACCES));
        assert_eq!(read("sys/kernel/random/boot_id"), read("sys/kernel/random/boot_id"));
        assert_ne!(read("sys/kernel/random/uuid"), read("sys/kernel/random/uuid"));
    });
}

#[test]
fn sizes_are_in_step_with_each_other() {
    over_seeds(1, 1, || {
        let meminfo = read("meminfo").unwrap();
        let value = |name: &str| -> u64 {
            let line = meminfo.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(line.ends_with(" kB"));
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        assert!(value("MemFree:") <= value("MemTotal:"));
        assert!(value("MemAvailable:") <= value("MemFree:"));
        assert_eq!(meminfo.lines().next().unwrap().len(), "MemTotal:       16384000 kB".len());
    });
}
