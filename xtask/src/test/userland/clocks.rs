//! The vDSO: clocks that are read without a system call, and are the same as with one.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::{Guest, Lab};
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("c7_vdso_in_a_static_program", in_a_static_program),
        Case::new("c7_vdso_falls_back_to_system_calls", falls_back_to_system_calls),
        Case::new("c7_vdso_in_debians_c_library", in_debians_c_library),
        Case::new("c7_vdso_under_debuggers", under_debuggers),
    ]
}

/// What `user/clocks` prints when all is well.
const ALL_WELL: &str =
    "resolutions and errors\nbetween two system calls\ngetcpu\nnever back\npages\n";

fn in_a_static_program(lab: &Lab) -> Result<()> {
    let guest = || lab.guest().cpus(4);
    guest().with(Program::Clocks)?.run(&["clocks", "4", "10000"])?.prints(ALL_WELL)?;
    guest().nodes(2).with(Program::Clocks)?.run(&["clocks", "4", "1000"])?.prints(ALL_WELL)?;
    let script = "awk '/\\[v/ { print $2, $3, $4, $5, $6 }' /proc/self/maps";
    lab.guest().sh(script)?.prints("r--p 00000000 00:00 0 [vvar]\nr-xp 00000000 00:00 0 [vdso]\n")
}

fn falls_back_to_system_calls(lab: &Lab) -> Result<()> {
    let guest = lab.guest().cpus(4).append("tsc=unstable").with(Program::Clocks)?;
    guest.run(&["clocks", "4", "2000"])?.prints(ALL_WELL)?;
    let guest = lab.guest().append("vdso=0").with(Program::Clocks)?;
    let outcome = guest.run(&["clocks", "1", "1"])?.status(3)?;
    let without = outcome.output() == "no vDSO\n";
    outcome.holds(without, "there is a vDSO").map(drop)
}

/// The system calls that a dynamically linked program makes to read a clock: none, unless there is no other way. What it reads
/// by the C library is between what it reads by system calls of its own.
fn in_debians_c_library(lab: &Lab) -> Result<()> {
    const CLOCKS: &str = include_str!("scripts/clocks.py");
    let script = format!(
        "CLOCKS='{CLOCKS}'; python3 -c \"$CLOCKS\"
        strace -f -o /tmp/calls -e trace=clock_gettime,gettimeofday,time \\
            python3 -c 'import time; [time.time() for _ in range(1000)]'
        grep -c '(' /tmp/calls | awk '{{ print ($1 < 1000 ? $1 : \"called\") }}'"
    );
    let guest = || lab.guest().cpus(4).packages(&["python3", "strace"]);
    let run = |guest: Guest<'_>, calls: &str| {
        guest.run(&["sh", "-c", &script])?.prints(&format!("the same clocks\n{calls}\n"))
    };
    run(guest(), "0")?;
    run(guest().append("tsc=unstable"), "called")?;
    run(guest().append("vdso=0"), "called")
}

/// gdb reads the vDSO's symbols out of the program's memory, and can stop in it.
fn under_debuggers(lab: &Lab) -> Result<()> {
    let script = "\
        strace date -u +%Y 2> /tmp/trace > /tmp/year; grep -c exited /tmp/trace
        gdb -q -batch -ex starti -ex 'break __vdso_clock_gettime' -ex continue -ex backtrace \\
            -ex delete -ex continue --args date -u +%Y > /tmp/gdb 2>&1
        grep -o '#0 .*__vdso_clock_gettime ()' /tmp/gdb | cut -c 1-2; grep -c '#1 .* clock_gettime' /tmp/gdb
        grep -c 'exited normally' /tmp/gdb";
    let guest = lab.guest().memory(512).packages(&["gdb", "strace", "coreutils"]);
    guest.run(&["sh", "-c", script])?.prints("1\n#0\n1\n1\n")
}
