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

/// Debian's own: a C library's mutexes among real-time threads, which would stand still without inheritance. The stressor's are
/// fewer than processors, as it takes it for a failure if they are done before it runs again itself.
fn mutexes_under_stress(lab: &Lab) -> Result<()> {
    let script = "\
        pi_stress -q -D 2 -g 2 > /tmp/said 2>&1; echo $?
        stress-ng --mutex 1 --mutex-procs 3 --mutex-ops 100000 -t 300 > /tmp/said 2>&1 || cat /tmp/said";
    let guest = lab.guest().cpus(4).packages(&["rt-tests", "stress-ng"]).memory(512);
    run_counted(guest, script)?.prints("0\nnothing left\n")
}
