//! An ordinary program, for testing that a kernel runs such: threads, channels, a hash map, files, time.
//!
//! It prints one line for each thing that works, and panics at the first that does not.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    threads();
    channels();
    hash_map();
    files();
    time();
    processes();
}

/// Threads that meet, and count under a lock that they all want.
fn threads() {
    const THREADS: usize = 8;
    const TURNS: usize = 1000;
    let barrier = Arc::new(Barrier::new(THREADS));
    let count = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (barrier, count) = (barrier.clone(), count.clone());
            thread::spawn(move || {
                barrier.wait();
                for _ in 0..TURNS {
                    *count.lock().unwrap() += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*count.lock().unwrap(), THREADS * TURNS);
    println!("threads: {}", THREADS * TURNS);
}

/// Numbers through a bounded channel, so that both ends have to wait for the other.
fn channels() {
    let (sender, receiver) = mpsc::sync_channel(4);
    let producers: Vec<_> = (0..4u64)
        .map(|producer| {
            let sender = sender.clone();
            thread::spawn(move || {
                for number in 0..250 {
                    sender.send(producer * 250 + number).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let sum: u64 = receiver.iter().sum();
    for producer in producers {
        producer.join().unwrap();
    }
    assert_eq!(sum, 999 * 1000 / 2);
    println!("channels: {sum}");
}

/// Hashing with the random keys that the standard library asks the kernel for.
fn hash_map() {
    let mut map = HashMap::new();
    for number in 0..10_000u32 {
        *map.entry(number % 100).or_insert(0u32) += 1;
    }
    assert_eq!(map.len(), 100);
    assert!(map.values().all(|&count| count == 100));
    println!("hash map: {}", map.len());
}

/// Writing, seeking, reading back, renaming, listing, removing.
fn files() {
    let directory = std::env::temp_dir().join("stdprog");
    fs::create_dir_all(&directory).unwrap();
    let (first, second) = (directory.join("first"), directory.join("second"));
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&first)
        .unwrap();
    for line in 0..1000 {
        writeln!(file, "line {line}").unwrap();
    }
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1000);
    assert_eq!(fs::metadata(&first).unwrap().len(), text.len() as u64);
    fs::rename(&first, &second).unwrap();
    let names: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["second"]);
    assert!(fs::metadata(&first).is_err());
    fs::remove_dir_all(&directory).unwrap();
    println!("files: {} bytes", text.len());
}

/// Sleeping takes as long as it should, at least.
fn time() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(50));
    assert!(start.elapsed() >= Duration::from_millis(50));
    println!("time: slept");
}

/// Another program, its output and its exit status.
fn processes() {
    let output =
        std::process::Command::new("sh").args(["-c", "echo child; exit 3"]).output().unwrap();
    assert_eq!(output.stdout, b"child\n");
    assert_eq!(output.status.code(), Some(3));
    println!("processes: status 3");
}
