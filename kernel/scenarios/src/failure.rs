//! Every allocation on the way to a thread fails in turn.

use alloc::vec::Vec;

use errno::Errno;
use fault::{Plan, Point, When};
use kthread::{Builder, Exit};

use crate::census::Census;
use crate::tools::random;

const POINTS: [(Point, Errno); 7] = [
    (Point::CreateRequest, Errno::ENOMEM),
    (Point::Task, Errno::ENOMEM),
    (Point::Pid, Errno::EAGAIN),
    (Point::PidTable, Errno::ENOMEM),
    (Point::QueuePlace, Errno::ENOMEM),
    (Point::KernelStack, Errno::ENOMEM),
    (Point::ProcessTable, Errno::ENOMEM),
];

pub(crate) fn every_point_in_turn() {
    for (point, expected) in POINTS {
        let before = Census::take();
        fault::arm(Plan { point: Some(point), when: When::Nth(1) });
        let made = Builder::new(format_args!("unlucky")).create(|_| 0);
        let report = fault::disarm();
        assert_eq!(report.failed, 1, "{} is not on the way", point.name());
        match made {
            Ok(_) => panic!("{} failed and the creator was not told", point.name()),
            Err(error) => assert_eq!(error, expected, "{}", point.name()),
        }
        if let Err(after) = before.wait_for_return() {
            panic!("{} left something behind: {before} before, {after} after", point.name());
        }
    }
    // Whatever else is asked for on the way: the first time, the second, until nothing is left to fail.
    for number in 1.. {
        let before = Census::take();
        fault::arm(Plan { point: None, when: When::Nth(number) });
        let made = Builder::new(format_args!("unlucky")).create(|_| 0);
        let failed = fault::disarm().failed;
        assert_eq!(
            failed != 0,
            made.is_err(),
            "call {number} failed, or none, and the creator was told otherwise"
        );
        drop(made);
        if let Err(after) = before.wait_for_return() {
            panic!("call {number} left something behind: {before} before, {after} after");
        }
        if failed == 0 {
            assert!(number > POINTS.len() as u64, "a named point was not on the way");
            break;
        }
    }
    // And once more without a fault: nothing stuck.
    let thread = Builder::new(format_args!("lucky")).run(|_| 1).expect("nothing fails now");
    assert_eq!(thread.join(), Exit::Returned(1));
}

/// Several creators while any allocation may fail: each gets a thread or an error, and nothing is left of either.
pub(crate) fn by_chance() {
    let before = Census::take();
    fault::arm(Plan {
        point: None,
        when: When::PerMillion { chances: 150_000, seed: random(u64::MAX) },
    });
    let creators: Vec<_> = (0..3)
        .filter_map(|_| {
            Builder::new(format_args!("creator"))
                .run(|_| {
                    let made = (0..4).filter_map(|i| {
                        let thread = Builder::new(format_args!("made/{i}")).run(move |_| i).ok()?;
                        Some((i, thread.join()))
                    });
                    i32::from(made.into_iter().all(|(i, exit)| exit == Exit::Returned(i)))
                })
                .ok()
        })
        .collect();
    for creator in creators {
        assert_eq!(creator.join(), Exit::Returned(1));
    }
    fault::disarm();
    if let Err(after) = before.wait_for_return() {
        panic!("something is left: {before} before, {after} after");
    }
}
