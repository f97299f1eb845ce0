//! What the log says of queues, pools and workers.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
#[cfg(not(target_os = "none"))]
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use sched::{Completion, CpuMask};
use sync::PreemptGuard;
#[cfg(not(target_os = "none"))]
use workqueue::watchdog;
use workqueue::{Work, WorkItem, WorkQueue, WqFlags, system_wq};

use super::rescuers::begin_shortage;
use super::{queue, wait_until};
use crate::tools::{PATIENCE, cpus, expect_oopses};
use crate::watchers::{HungTaskWatch, LogTail, TIMEOUT};

/// The line that begins so, and those behind it.
fn from<'l>(lines: &'l [String], begin: &str) -> &'l [String] {
    let place = lines.iter().position(|line| line.starts_with(begin));
    &lines[place.unwrap_or_else(|| panic!("no line begins with {begin:?}: {lines:#?}"))..]
}

/// The number before `end`, at the end of what is before that.
fn number_before<'l>(text: &'l str, end: &str) -> (&'l str, u32) {
    let before = text.strip_suffix(end).unwrap_or_else(|| panic!("{text:?} has no {end:?}"));
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (rest, number) = before.split_at(before.len() - digits);
    (rest, number.parse().unwrap_or_else(|_| panic!("no number before {end:?} in {text:?}")))
}

/// A stall: its line is an emergency, and what all are at is shown in the form that tools know. In a kernel of its own, where nobody else is at
/// anything.
#[cfg(not(target_os = "none"))]
pub(crate) fn busy_ones_are_shown() {
    let log = Arc::new(LogTail::from_now());
    let before = watchdog::reports();
    let queue = queue(WqFlags::empty(), 4);
    let cpu = cpus()[0];
    let release = Arc::new(Completion::new());
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let release = release.clone();
            Work::from_fn("blocked", move |_| release.wait())
        })
        .collect();
    let theirs = log.clone();
    let hog = Work::from_fn("hog", move |_| {
        let deadline = time::monotonic() + 4 * time::SECOND + PATIENCE;
        while theirs.count(" hung=") == 0 && time::monotonic() < deadline {
            crate::tools::spin_until(time::monotonic() + time::MILLISECOND);
            sched::yield_now();
        }
    });
    let last = ["behind", "held back"].map(|name| Work::from_fn(name, |_| ()));
    blocked.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    wait_until(|| blocked.iter().all(|work| !work.is_pending()));
    assert!(queue.queue_on(cpu, &hog));
    wait_until(|| !hog.is_pending());
    last.iter().for_each(|work| assert!(queue.queue_on(cpu, work)));
    watchdog::set_threshold(1);
    watchdog::start();
    hog.flush();
    watchdog::set_threshold(0);
    release.complete_all();
    queue.flush();
    assert!(watchdog::reports() > before, "the stall was not seen");
    let stall = log.records().into_iter().find(|(_, line)| line.contains("workqueue lockup"));
    let (level, line) = stall.expect("it is logged");
    assert_eq!(level, 0, "{line}");
    let lines = log.lines();
    let of_queue = from(&lines, "workqueue scenario: flags=0x0");
    assert!(of_queue[1].ends_with(" nice=0 active=4/4 refcnt=6"), "{of_queue:#?}");
    let (rest, hog) = number_before(&of_queue[2], ":hog");
    let (rest, second) = number_before(rest, ":blocked, ");
    let (rest, first) = number_before(rest, ":blocked, ");
    assert_eq!(rest, "    in-flight: ");
    assert!(hog != first && hog != second && first != second, "{of_queue:#?}");
    assert_eq!(of_queue[3..5], ["    pending: behind", "    inactive: held back"]);
    let pool = lines
        .iter()
        .find(|line| line.starts_with("pool ") && line.contains(" flags=0x0 nice=0 hung="));
    let pool = pool.unwrap_or_else(|| panic!("the pool is not shown: {lines:#?}"));
    let words: Vec<_> = pool.split(' ').skip_while(|word| !word.starts_with("hung=")).collect();
    let number = |word: &str, begin: &str, end: &str| -> u32 {
        let inner = word.strip_prefix(begin).and_then(|word| word.strip_suffix(end));
        inner.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{word} in {pool}"))
    };
    assert!(number(words[0], "hung=", "s") >= 1, "{pool}");
    let workers = number(words[1], "workers=", "");
    assert_eq!(words[2], "idle:", "{pool}");
    assert_eq!(words.len() as u32, 3 + workers - 3, "three are busy, the others are idle: {pool}");
}

/// A rescuer at an item is shown as one; that it is called again, too, and who tries to make a worker meanwhile.
pub(crate) fn rescuers_are_shown() {
    let log = Arc::new(LogTail::from_now());
    let own = queue(WqFlags::MEM_RECLAIM, 0);
    let shortage = begin_shortage();
    let theirs = log.clone();
    let saver = Work::from_fn("saver", move |_| {
        kthread::warn::warn(format_args!("meant"));
        let deadline = time::monotonic() + time::SECOND + PATIENCE;
        while theirs.count(" MAYDAY") == 0 && time::monotonic() < deadline {
            workqueue::show_workqueue_state();
            sched::sleep_for(50 * time::MILLISECOND);
        }
    });
    let behind = Work::from_fn("behind", |_| ());
    assert!(own.queue_on(shortage.cpu, &saver) && own.queue_on(shortage.cpu, &behind));
    saver.flush();
    shortage.end();
    own.flush();
    let lines = log.lines();
    let called = lines.iter().position(|line| line.ends_with(" active=2/256 refcnt=3 MAYDAY"));
    let called = called.unwrap_or_else(|| panic!("nobody is called: {lines:#?}"));
    let (rest, rescuer) = number_before(&lines[called + 1], "(RESCUER):saver");
    assert_eq!(rest, "    in-flight: ");
    assert_eq!(lines[called + 2], "    pending: behind");
    let manager = lines[called..].iter().find_map(|line| line.split_once(" manager: "));
    let (_, manager) = manager.unwrap_or_else(|| panic!("no manager: {lines:#?}"));
    assert!(manager.parse::<u32>().is_ok_and(|manager| manager != rescuer), "{manager}");
    // And what it is at when it warns.
    assert_eq!(
        behind_header(&lines, &format!("PID: {rescuer} Comm: scenario ")),
        "Workqueue: scenario saver"
    );
    wait_until(|| !behind.is_busy());
}

/// The line behind that which says who ran.
fn behind_header<'l>(lines: &'l [String], part: &str) -> &'l str {
    let header = |line: &&String| line.starts_with("CPU: ") && line.contains(part);
    let mut rest = lines.iter().skip_while(|line| !header(line)).skip(1);
    rest.next().unwrap_or_else(|| panic!("nothing behind {part:?}: {lines:#?}"))
}

/// Reports about the running task say what that is at, if it is a worker; a thread that is none is at nothing.
pub(crate) fn running_workers_say_what_they_are_at() {
    expect_oopses(1);
    let log = LogTail::from_now();
    let queue = queue(WqFlags::empty(), 0);
    let warns = Work::from_fn("warns", |_| kthread::warn::warn(format_args!("meant")));
    let dies = Work::from_fn("dies", |_| panic!("meant"));
    run_on(&queue, &warns);
    run_on(&queue, &dies);
    let lines = log.lines();
    assert_eq!(behind_header(&lines, " Comm: kworker/"), "Workqueue: scenario warns");
    let oops = from(&lines, "Oops: ");
    assert_eq!(behind_header(oops, " Comm: kworker/"), "Workqueue: scenario dies");
    let log = LogTail::from_now();
    let thread = crate::tools::spawn("plain", |_| {
        kthread::warn::warn(format_args!("meant"));
        0
    });
    thread.join();
    assert_eq!(behind_header(&log.lines(), " Comm: plain "), "Call Trace:");
}

fn run_on(queue: &WorkQueue, work: &Work<impl WorkItem>) {
    assert!(queue.queue(work));
    work.flush();
}

/// A CPU that is asked by a non-maskable interrupt says what its worker is at.
pub(crate) fn interrupted_workers_say_what_they_are_at() {
    let all = cpus();
    let Some(&cpu) = all.get(1) else { return };
    let log = LogTail::from_now();
    let (inside, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (says, told) = (inside.clone(), over.clone());
    let hog = Work::from_fn("hog", move |_| {
        let _here = PreemptGuard::new();
        says.store(true, SeqCst);
        while !told.load(SeqCst) {
            machine::cpu::relax();
        }
    });
    let _elsewhere = sched::set_allowed(&sched::current_ref(), CpuMask::of(all[0]));
    assert!(system_wq().queue_on(cpu, &hog));
    wait_until(|| inside.load(SeqCst));
    {
        let _here = PreemptGuard::new();
        kthread::backtrace::print_cpus(CpuMask::of(cpu));
    }
    over.store(true, SeqCst);
    hog.flush();
    let lines = log.lines();
    let report = from(&lines, &format!("NMI backtrace for cpu {cpu}"));
    assert_eq!(behind_header(report, " Comm: kworker/"), "Workqueue: events hog");
}

/// What a hung worker is at, between its line and where it sleeps; these lines are no errors.
pub(crate) fn hung_workers_say_what_they_are_at() {
    let log = LogTail::from_now();
    let watch = HungTaskWatch::start(TIMEOUT, -1);
    let queue = queue(WqFlags::empty(), 0);
    let release = Arc::new(Completion::new());
    let theirs = release.clone();
    let sleeper = Work::from_fn("sleeper", move |_| theirs.wait());
    assert!(queue.queue(&sleeper));
    let deadline = time::monotonic() + (TIMEOUT + 1) * time::SECOND + PATIENCE;
    // Up to the end of its report, with a line about where it sleeps.
    let is_told = || {
        let lines = log.lines();
        let from = lines.iter().position(|line| line.starts_with("INFO: task kworker/"));
        from.is_some_and(|from| lines[from..].iter().any(|line| line == "Call Trace:"))
    };
    while !is_told() && time::monotonic() < deadline {
        sched::sleep_for(time::SECOND / 4);
    }
    release.complete_all();
    sleeper.flush();
    drop(watch);
    let records = log.records();
    let place = records.iter().position(|(_, line)| line.starts_with("INFO: task kworker/"));
    let report = &records[place.unwrap_or_else(|| panic!("not reported: {records:#?}"))..];
    let begins =
        ["INFO: task", "      ", "\"echo 0", "task:kworker/", "Workqueue: scenario sleeper"];
    for ((begin, level), record) in begins.into_iter().zip([3, 3, 3, 6, 6]).zip(report) {
        assert!(record.1.starts_with(begin) && record.0 == level, "{begin:?}: {report:#?}");
    }
    assert_eq!(report[5], (6, "Call Trace:".into()), "{report:#?}");
}
