//! What is remembered of what went wrong.

use alloc::format;
use alloc::string::String;

use kthread::Exit;
use taint::{Flag, OOPSES, Shown, WARNINGS};

use crate::tools::{dawdle, expect_oopses, spawn};
use crate::watchers::{LogTail, has_address};

/// A thread of this name dies of an oops.
fn oops(name: &str) {
    dawdle();
    assert_eq!(spawn(name, |_| panic!("meant")).join(), Exit::Panicked);
}

/// A thread of this name warns.
fn warn(name: &str) {
    let warn = |_: &_| {
        dawdle();
        kthread::warn::warn(format_args!("this is wrong"));
        0
    };
    assert_eq!(spawn(name, warn).join(), Exit::Returned(0));
}

fn header(log: &LogTail, name: &str) -> String {
    let wanted = format!(" Comm: {name} ");
    let found = log.lines().into_iter().find(|line| line.contains(&wanted));
    found.unwrap_or_else(|| panic!("nothing about {name}: {:#?}", log.lines()))
}

pub(crate) fn reports_show_what_was_wrong_before() {
    expect_oopses(2);
    let log = LogTail::from_now();
    let (oopses, warnings) = (OOPSES.count(), WARNINGS.count());
    for (name, act, flag) in [
        ("warns1", warn as fn(&str), Flag::Warning),
        ("warns2", warn, Flag::Warning),
        ("dies1", oops, Flag::Die),
        ("dies2", oops, Flag::Die),
    ] {
        let (shown, mask) = (Shown::now(), taint::mask());
        act(name);
        assert_eq!(taint::mask(), mask | flag.bit(), "{name}");
        let expected = format!(" Comm: {name} {shown} {} #1", process::RELEASE);
        let found = header(&log, name);
        assert!(found.ends_with(&expected), "{found:?}, not {expected:?}");
    }
    assert_eq!((OOPSES.count(), WARNINGS.count()), (oopses + 2, warnings + 2));
    let lines = log.lines();
    let from = lines.iter().position(|line| line.contains("WARNING: CPU: ")).expect("it is logged");
    let end = lines.iter().position(|line| line.starts_with("---[ end trace ")).expect("it ends");
    let report = &lines[from - 1..end];
    assert!(report[0].starts_with("------------[ cut here ]"), "{report:#?}");
    assert!(report[1].contains(" at kernel/scenarios/src/taints.rs:"), "{report:#?}");
    assert_eq!(report[2], "this is wrong", "{report:#?}");
    // Code for the host may keep no frame pointers.
    let traced = has_address(report) || cfg!(not(target_os = "none"));
    assert!(traced, "no backtrace: {report:#?}");
}

#[cfg(not(target_os = "none"))]
mod ends {
    use core::sync::atomic::Ordering::SeqCst;

    use taint::{Flag, OOPSES, WARNINGS};

    use super::{oops, warn};
    use crate::tools::expect_panic;
    use crate::watchers::LogTail;

    pub(crate) fn oops_limit() {
        OOPSES.limit().store(3, SeqCst);
        oops("first");
        oops("second");
        expect_panic("Oopsed too often (kernel.oops_limit is 3)");
        oops("third");
        machine::sim::fail("the limit of oopses changes nothing");
    }

    pub(crate) fn warn_limit() {
        WARNINGS.limit().store(2, SeqCst);
        warn("first");
        expect_panic("kernel: system warned too often (kernel.warn_limit is 2)");
        warn("second");
        machine::sim::fail("the limit of warnings changes nothing");
    }

    pub(crate) fn panic_on_warn() {
        kthread::warn::PANIC_ON_WARN.store(1, SeqCst);
        expect_panic("kernel: panic_on_warn set ...");
        warn("only");
        machine::sim::fail("panic_on_warn changes nothing");
    }

    pub(crate) fn panic_on_taint() {
        assert!(taint::panic_on(Flag::Die.bit(), false));
        warn("harmless");
        expect_panic("panic_on_taint set ...");
        oops("last");
        machine::sim::fail("panic_on_taint changes nothing");
    }

    /// The story itself refuses work from outside once.
    pub(crate) fn drained_queue_warns_once() {
        let log = LogTail::from_now();
        for _ in 0..2 {
            crate::workqueue::queues::drain();
        }
        assert_eq!(log.count("WARNING: CPU: "), 1, "{:#?}", log.lines());
        let wanted = "workqueue: scenario is drained and takes no work";
        assert_eq!(log.count(wanted), 1, "{:#?}", log.lines());
        assert_eq!(WARNINGS.count(), 1);
        assert_eq!(taint::mask(), Flag::Warning.bit());
    }
}
#[cfg(not(target_os = "none"))]
pub(crate) use ends::*;
