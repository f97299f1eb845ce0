//! What has gone wrong with the kernel, as a user sees it: the taint in reports and files, and what too much of it ends in.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::{Lab, Outcome};
use anyhow::Result;

/// Where a task asks to fail; the image that tests run has it.
const PROVOKE: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("k16_tainted_is_added_to", tainted_is_added_to),
        Case::new("k16_panic_on_taint", panic_on_taint),
        Case::new("k16_users_are_kept_from_what_ends_the_kernel", no_user_taint),
        Case::new("k16_limits_can_be_set", limits_can_be_set),
        Case::new("k16_reports_show_the_taint", reports_show_the_taint),
        Case::new("k16_an_oops_shows_all_cpus", an_oops_shows_all_cpus),
        Case::new("k16_too_much_ends_the_kernel", too_much_ends_the_kernel),
    ]
}

fn tainted_is_added_to(lab: &Lab) -> Result<()> {
    // Root adds, and cannot take away; what is no flag changes nothing.
    let script = "\
        cd /proc/sys/kernel; cat tainted; stat -c %a tainted
        put() { echo \"$1\" 2>&- > tainted; echo $? $(cat tainted); }
        put 64; put 0; put 0x1000; put ' 32 x'; put 524288; put -1; put x; put ''; put 4x
        su -s /bin/sh nobody -c 'echo 1 2>&- > tainted' 2>&-; echo $? $(cat tainted)
        cat /sys/kernel/oops_count /sys/kernel/warn_count; stat -c %a /sys/kernel/oops_count /sys/kernel/warn_count";
    lab.guest().sh(script)?.prints(
        "0\n644\n0 64\n0 64\n0 4160\n0 4192\n0 4192\n1 4192\n1 4192\n1 4192\n1 4192\n1 4192\n0\n0\n444\n444\n",
    )
}

/// The line of a report that says who ran, from the program's name on.
fn header<'a>(outcome: &'a Outcome<'_>) -> Option<&'a str> {
    let line = outcome.log().iter().find(|line| line.contains(" Comm: "))?;
    Some(&line[line.find("Comm: ")?..])
}

fn panic_on_taint(lab: &Lab) -> Result<()> {
    // Flags are added from the lowest on.
    let script = "cd /proc/sys/kernel; echo 64 > tainted; cat tainted; echo 0x4280 > tainted";
    let guest = lab.guest().append("panic_on_taint=0x200");
    let outcome = guest.sh(script)?.panic("Kernel panic - not syncing: panic_on_taint set ...")?;
    let right = header(&outcome).is_some_and(|line| {
        line.starts_with("Comm: sh Tainted: G     UD W          6.1.0-") && line.contains(" #1")
    });
    outcome.holds(right, "the report does not show the taint").map(drop)
}

fn no_user_taint(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/sys/kernel
        for i in 0x201 0x80 0x200; do echo $i 2>&- > tainted; echo $? $(cat tainted); done";
    let guest = lab.guest().append("panic_on_taint=200,nousertaint");
    guest.sh(script)?.prints("1 0\n0 128\n1 128\n")
}

fn limits_can_be_set(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/sys/kernel
        for name in oops_limit warn_limit panic_on_warn; do
            echo $name $(stat -c %a $name) $(cat $name)
            for value in 1 0 4294967295 4294967296 -1 x; do echo $value 2>&- > $name; echo $? $(cat $name); done
        done";
    let limit = "0 1\n0 0\n0 4294967295\n1 4294967295\n1 4294967295\n1 4294967295\n";
    lab.guest().sh(script)?.prints(&format!(
        "oops_limit 644 10000\n{limit}warn_limit 644 0\n{limit}panic_on_warn 644 0\n0 1\n0 0\n1 0\n1 0\n1 0\n1 0\n"
    ))
}

fn reports_show_the_taint(lab: &Lab) -> Result<()> {
    let script = format!(
        "exec 2>&-
        shown() {{ cat /proc/sys/kernel/tainted; dmesg -c | sed -n 's/^.* Comm: \\(.*\\) 6.1.0.*$/\\1|/p' | head -n $1; }}
        echo WARNING > {PROVOKE}; shown 1
        echo WARNING_MESSAGE > {PROVOKE}; dmesg | grep -c -e 'WARNING: CPU: [01] PID: '$$' at kernel/heddle/src/crash.rs:[0-9]* [^ ]*+0x[0-9a-f]*/0x[0-9a-f]*$' -e 'Warning message trigger count: 1$'; shown 1
        faults provoke BUG; shown 1
        faults provoke BUG; shown 1
        echo 1 > /proc/sys/kernel/watchdog_thresh; taskset 2 sh -c 'echo SOFTLOCKUP > {PROVOKE}' &
        until [ $(dmesg | grep -c ' Comm: ') -ge 2 ]; do sleep 0.1; done; shown 2
        cat /sys/kernel/oops_count /sys/kernel/warn_count"
    );
    let outcome = lab.guest().cpus(2).with(Program::Faults)?.sh(&script)?;
    let expected = "\
        512\nsh Not tainted|\n\
        2\n512\nsh Tainted: G        W         |\n\
        640\nfaults Tainted: G        W         |\n\
        640\nfaults Tainted: G      D W         |\n\
        17024\nsh Tainted: G      D W         |\nsh Tainted: G      D W    L    |\n\
        2\n2\n";
    let right = outcome.output() == expected;
    outcome.holds(right, "other than what was wrong before").map(drop)
}

fn an_oops_shows_all_cpus(lab: &Lab) -> Result<()> {
    let script = "\
        exec 2>&-; cd /proc/sys/kernel; stat -c %a oops_all_cpu_backtrace
        for on in 0 1; do
            dmesg -c > /dev/null; echo $on > oops_all_cpu_backtrace; faults provoke BUG
            dmesg | grep -c 'NMI backtrace for cpu'; dmesg | grep -c -e '^.*] Modules linked in:$' -e '---. end trace 0000000000000000 ]---'
        done";
    let outcome = lab.guest().cpus(3).with(Program::Faults)?.sh(script)?;
    let right = outcome.output() == "644\n0\n2\n2\n2\n";
    outcome.holds(right, "the other two are not shown")?.logged("Oops: ").map(drop)
}

fn too_much_ends_the_kernel(lab: &Lab) -> Result<()> {
    let guest = || anyhow::Ok(lab.guest().with(Program::Faults)?);
    let set = |name: &str, value: &str| format!("echo {value} > /proc/sys/kernel/{name}");
    let bug = "faults provoke BUG";
    let warn = format!("echo WARNING > {PROVOKE}");
    guest()?
        .sh(&format!("{}; {bug}; {bug}", set("oops_limit", "2")))?
        .panic("Kernel panic - not syncing: Oopsed too often (kernel.oops_limit is 2)")?;
    guest()?
        .sh(&format!("{}; {warn}; {warn}", set("warn_limit", "2")))?
        .panic("not syncing: kernel: system warned too often (kernel.warn_limit is 2)")?;
    guest()?
        .append("panic_on_warn=1")
        .sh(&warn)?
        .panic("not syncing: kernel: panic_on_warn set")?;
    let outcome =
        guest()?.append("panic_on_taint=0x80").sh(bug)?.panic("panic_on_taint set ...")?;
    outcome.logged("Oops: kernel code panicked").map(drop)
}
