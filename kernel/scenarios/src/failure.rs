//! Every allocation on the way to a thread fails in turn.

use errno::Errno;
use fault::{Plan, Point, When};
use kthread::{Builder, Exit};

use crate::census::Census;

const POINTS: [(Point, Errno); 4] = [
    (Point::CreateRequest, Errno::ENOMEM),
    (Point::Task, Errno::ENOMEM),
    (Point::Pid, Errno::EAGAIN),
    (Point::KernelStack, Errno::ENOMEM),
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
    // And once more without a fault: nothing stuck.
    let thread = Builder::new(format_args!("lucky")).run(|_| 1).expect("nothing fails now");
    assert_eq!(thread.join(), Exit::Returned(1));
}
