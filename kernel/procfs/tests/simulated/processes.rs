//! The directories of processes.

use errno::Errno;
use fs::{OpenFlags, SeekFrom};
use process::{WaitFor, WaitOptions};

use crate::harness::{as_user, fork, list, open, over_seeds, read, read_on, write};

fn wait_for_end() {
    process::wait_for_child(&WaitFor::Any, WaitOptions::EXITED).unwrap();
}

/// The fields of a `stat` line from the third on, and the name before them.
fn stat(path: &str) -> (String, Vec<String>) {
    let line = read(path).unwrap();
    let (head, rest) = line.trim_end().rsplit_once(") ").unwrap();
    let name = head.split_once(" (").unwrap().1.to_string();
    (name, rest.split(' ').map(String::from).collect())
}

#[test]
fn s08_stat_has_52_fields_in_their_places() {
    over_seeds(1, 1, || {
        let (name, fields) = stat("1/stat");
        assert_eq!((name.as_str(), fields.len() + 2), ("init", 52));
        assert_eq!(fields[0], "R");
        // Parent, priority, nice, threads.
        assert_eq!([&fields[1], &fields[15], &fields[16], &fields[17]], ["0", "20", "0", "1"]);
        let attributes = sched::Attributes {
            policy: sched::Policy::Fifo,
            priority: 7,
            ..sched::Attributes::NORMAL
        };
        sched::set_attributes(&sched::current_ref(), attributes).unwrap();
        let (_, fields) = stat("1/stat");
        assert_eq!([&fields[15], &fields[37], &fields[38]], ["-8", "7", "1"]);
    });
}

#[test]
fn b05_kernel_threads_have_no_command_line_and_no_program() {
    over_seeds(1, 1, || {
        let (name, fields) = stat("2/stat");
        assert_eq!((name.as_str(), fields[1].as_str()), ("kthreadd", "0"));
        // Size of memory.
        assert_eq!([&fields[20], &fields[21]], ["0", "0"]);
        for empty in ["2/cmdline", "2/maps", "2/environ"] {
            assert_eq!(read(empty).unwrap(), "");
        }
        assert_eq!(open("2/exe", OpenFlags::empty()).err(), Some(Errno::ENOENT));
        let status = read("2/status").unwrap();
        assert!(status.contains("\nPPid:\t0\n") && !status.contains("VmSize"));
    });
}

#[test]
fn k10_the_full_name_is_shown() {
    over_seeds(1, 1, || {
        let name = format_args!("kworker/a_long_name:7");
        let thread = kthread::Builder::new(name).create(|_| 0).unwrap();
        let pid = thread.task().pid();
        assert_eq!(stat(&format!("{pid}/stat")).0, "kworker/a_long_name:7");
        assert_eq!(read(&format!("{pid}/comm")).unwrap(), "kworker/a_long_name:7\n");
        assert_eq!(thread.task().comm().as_bytes(), b"kworker/a_long_");
    });
}

#[test]
fn b01_pid_0_is_invisible() {
    over_seeds(1, 2, || {
        assert!(!list("").iter().any(|name| name == "0"));
        assert_eq!(open("0/stat", OpenFlags::empty()).err(), Some(Errno::ENOENT));
        assert_eq!(read("self/stat").unwrap().split(' ').next(), Some("1"));
    });
}

#[test]
fn listing_is_stable_while_processes_come_and_go() {
    over_seeds(50, 3, || {
        fork(|| {
            for _ in 0..5 {
                fork(|| 0);
                wait_for_end();
            }
            0
        });
        let lasting = ["stat", "sys", "self", "thread-self", "1", "2"];
        let names = list("");
        for name in lasting {
            let count = names.iter().filter(|found| *found == name).count();
            assert_eq!(count, 1, "{name} in {names:?}");
        }
        let numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        // Whoever has gone since gives an error, and nothing worse.
        for number in numbers {
            for file in ["stat", "status", "cmdline", "maps", "limits", "schedstat", "mounts"] {
                match read(&format!("{number}/{file}")) {
                    Ok(_) | Err(Errno::ENOENT | Errno::ESRCH | Errno::EINVAL) => {}
                    Err(error) => panic!("{number}/{file}: {error}"),
                }
            }
            let _ = open(&format!("{number}/task"), OpenFlags::DIRECTORY);
        }
        wait_for_end();
    });
}

#[test]
fn a_file_outlives_its_process_and_says_so() {
    over_seeds(10, 2, || {
        let child = fork(|| {
            sched::sleep_for(time::MILLISECOND);
            0
        });
        let file = open(&format!("{child}/stat"), OpenFlags::empty()).unwrap();
        let directory = open(&format!("{child}"), OpenFlags::DIRECTORY).unwrap();
        assert!(read_on(&file).unwrap().starts_with(&format!("{child} (init) ")));
        wait_for_end();
        file.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(read_on(&file), Err(Errno::ESRCH));
        drop(directory);
        assert_eq!(open(&format!("{child}/stat"), OpenFlags::empty()).err(), Some(Errno::ENOENT));
    });
}

#[test]
fn a_zombie_is_shown_until_it_is_waited_for() {
    over_seeds(10, 2, || {
        let child = fork(|| 3);
        while stat(&format!("{child}/stat")).1[0] != "Z" {
            sched::sleep_for(time::MILLISECOND);
        }
        // The exit status, as `wait` has it.
        assert_eq!(stat(&format!("{child}/stat")).1[49], "3");
        assert!(read(&format!("{child}/status")).unwrap().contains("State:\tZ (zombie)\n"));
        wait_for_end();
    });
}

#[test]
fn others_memory_and_files_are_private() {
    over_seeds(1, 1, || {
        as_user(1000, || {
            for file in ["environ", "auxv", "maps", "stack", "io"] {
                let outcome = open(&format!("2/{file}"), OpenFlags::empty());
                assert_eq!(outcome.err(), Some(Errno::EACCES), "{file}");
            }
            assert!(open("2/exe", OpenFlags::empty()).is_err());
            assert_eq!(open("2/fd", OpenFlags::DIRECTORY).err(), Some(Errno::EACCES));
            assert!(
                read("2/stat").is_ok() && read("2/status").is_ok() && read("self/maps").is_ok()
            );
            assert_eq!(write("2/comm", b"x"), Err(Errno::EACCES));
        });
    });
}

#[test]
fn what_can_be_set_is_checked() {
    over_seeds(1, 1, || {
        assert_eq!(write("self/comm", b"a new name that is long\n"), Ok(24));
        assert_eq!(read("self/comm").unwrap(), "a new name that\n");
        assert_eq!(write("2/comm", b"x"), Err(Errno::EINVAL));
        assert_eq!(write("self/oom_score_adj", b"-1000\n"), Ok(6));
        assert_eq!(read("self/oom_score_adj").unwrap(), "-1000\n");
        assert_eq!(write("self/oom_score_adj", b"1001"), Err(Errno::EINVAL));
        assert_eq!(write("self/oom_score_adj", b"much"), Err(Errno::EINVAL));
    });
}

#[test]
fn threads_are_found_below_their_process_only() {
    over_seeds(1, 1, || {
        assert_eq!(list("1/task"), [".", "..", "1"]);
        assert!(read("1/task/1/stat").is_ok());
        assert_eq!(open("1/task/2", OpenFlags::DIRECTORY).err(), Some(Errno::ENOENT));
        assert_eq!(open("1/task/1/task", OpenFlags::DIRECTORY).err(), Some(Errno::ENOENT));
        assert_eq!(read("thread-self/comm"), read("1/comm"));
    });
}
