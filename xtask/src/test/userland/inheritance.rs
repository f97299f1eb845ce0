//! Futexes with owners that inherit the priority of who waits.

use super::Case;
use super::debian::run_counted;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("c7_pi_futexes", futexes),
        Case::new("c7_pi_mutexes_under_stress", mutexes_under_stress),
    ]
}

fn futexes(lab: &Lab) -> Result<()> {
    let expected = "words\ntimes\nwrong words\ninheritance\nchain\ndeadlock\ndead owners\nshared\nsignals\n\
        moved\nrefused\nearly\nrobust\nconditions\n";
    lab.guest().cpus(2).with(Program::Inherit)?.run(&["inherit"])?.prints(expected)
}

/// Debian's own: a C library's mutexes among real-time threads, which would stand still without inheritance.
fn mutexes_under_stress(lab: &Lab) -> Result<()> {
    let script = "\
        pi_stress -q -D 2 -g 2 > /tmp/said 2>&1; echo $?
        stress-ng --mutex 2 -t 1 > /tmp/said 2>&1; echo $?";
    let guest = lab.guest().cpus(2).packages(&["rt-tests", "stress-ng"]).memory(512);
    run_counted(guest, script)?.prints("0\n0\nnothing left\n")
}
