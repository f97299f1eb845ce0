//! Tasks that hang and CPUs that get stuck, as a user sees them.

use super::Case;
use crate::machine::log;
use crate::test::guest::lab::{Lab, Outcome};
use anyhow::Result;

/// Where a task asks to fail; the image that tests run has it.
const PROVOKE: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// Waits until the log has this many lines with a text in them, or a minute has passed.
const WAIT: &str = "\
    seen() { for i in $(seq 300); do [ $(dmesg | grep -c \"$2\") -ge $1 ] && return; sleep 0.2; done; }
    ";

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("d1_hung_task_is_reported", d1_hung_task_is_reported),
        Case::new("d1_hung_task_panic", d1_hung_task_panic),
        Case::new("d1_d2_settings", settings),
        Case::new("d2_soft_lockup_is_reported", d2_soft_lockup_is_reported),
        Case::new("d2_hard_lockup_is_reported", d2_hard_lockup_is_reported),
        Case::new("d2_softlockup_panic", d2_softlockup_panic),
        Case::new("d2_hardlockup_panic", d2_hardlockup_panic),
        Case::new("d1_d2_all_cpus_are_shown", all_cpus_are_shown),
        Case::new("d2_parameters_turn_it_off", d2_parameters_turn_it_off),
    ]
}

fn d1_hung_task_is_reported(lab: &Lab) -> Result<()> {
    let script = format!(
        "{WAIT}
        echo 5 > /proc/sys/kernel/hung_task_timeout_secs
        echo 1 > /proc/sys/kernel/hung_task_warnings
        sh -c 'echo HUNG_TASK > {PROVOKE}' & pid=$!; seen 1 \"INFO: task sh:$pid blocked for more than 5 seconds.\"
        sleep 6; dmesg | grep -c ' blocked for more than'; cat /proc/sys/kernel/hung_task_warnings
        dmesg | grep -A 5 'INFO: task' | grep -c -e 'task:sh  *state:D stack:0     pid:[0-9]*  *ppid:[0-9]' -e ' <TASK>' -e 'hung_task_timeout_secs' -e '       *Not tainted 6[^ ]* #1$'
        dmesg | grep -A 9 '<TASK>' | grep -c '[[]<ffffffff[0-9a-f]*>] crash::provoke+0x[0-9a-f]*/0x'; kill -9 $pid; sleep 0.1; ps -o stat,comm | grep -c '^D .*sh$'"
    );
    // What hangs does not die.
    let outcome = lab.guest().sh(&script)?;
    let right = outcome.output() == "1\n0\n4\n1\n1\n";
    outcome.holds(right, "not one whole report")?.logged("INFO: task sh:").map(drop)
}

fn d1_hung_task_panic(lab: &Lab) -> Result<()> {
    let script = format!(
        "echo 2 > /proc/sys/kernel/hung_task_timeout_secs; exec sh -c 'echo HUNG_TASK > {PROVOKE}'"
    );
    lab.guest()
        .append("hung_task_panic=1")
        .sh(&script)?
        .panic("Kernel panic - not syncing: hung_task: blocked tasks")?
        .logged("INFO: task sh:")
        .map(drop)
}

fn settings(lab: &Lab) -> Result<()> {
    // Name and value; what may be written; what may not.
    let script = "\
        cd /proc/sys/kernel
        check() {
            [ $(cat $1) = $2 ] || echo \"$1 is $(cat $1)\"
            for good in $3; do echo $good > $1 && [ $(cat $1) = $good ] || echo \"$1: $good\"; done
            for bad in $4; do echo $bad 2>&- > $1 && echo \"$1 takes $bad\"; done 2>&-
            echo $2 > $1
        }
        check hung_task_timeout_secs 120 '0 36893488147419103' '-1 x 36893488147419104'
        check hung_task_check_interval_secs 0 '5 36893488147419103' '-1 36893488147419104'
        check hung_task_check_count 4194304 '0 10 2147483647' '-1 2147483648'
        check hung_task_warnings 10 '-1 0 5 2147483647' '-2 2147483648'
        check hung_task_panic 0 '1 0' '2 -1'
        check hung_task_all_cpu_backtrace 0 '1 0' '2'
        check watchdog 1 '0 1' '2'
        check soft_watchdog 1 '0 1' '2'
        check nmi_watchdog 1 '0 1' '2'
        check watchdog_thresh 10 '0 1 60' '61 -1'
        check softlockup_panic 0 '1 0' '2'
        check hardlockup_panic 0 '1 0' '2'
        check softlockup_all_cpu_backtrace 0 '1 0' '2'
        check hardlockup_all_cpu_backtrace 0 '1 0' '2'
        check watchdog_cpumask 0-1 '0 1 0-1' 'x 3-1 0-8192 +1 1x'
        for bad in ' ' ' 1' '1\\t' '\\0001'; do printf \"$bad\" 2>&- > watchdog_cpumask && echo \"takes '$bad'\"; done 2>&-
        check hung_task_warnings 10 '5' '0-1 0x-1 --1'
        echo 1,31 > watchdog_cpumask; cat watchdog_cpumask; echo > watchdog_cpumask; cat watchdog_cpumask; echo 0-1 > watchdog_cpumask
        ps -o comm | grep -c '^watchdog/'; ps -o comm | grep -c '^khungtaskd$'
        echo 0 > watchdog; ps -o comm | grep -c '^watchdog/'; cat soft_watchdog nmi_watchdog";
    lab.guest().cpus(2).sh(script)?.prints("1\n\n2\n1\n0\n0\n0\n")
}

fn d2_soft_lockup_is_reported(lab: &Lab) -> Result<()> {
    let script = format!(
        "{WAIT}
        echo 1 > /proc/sys/kernel/watchdog_thresh
        taskset 2 sh -c 'echo SOFTLOCKUP > {PROVOKE}' & pid=$!
        seen 2 \"watchdog: BUG: soft lockup - CPU#1 stuck for [0-9]*s! .sh:$pid\"
        dmesg | grep -A 2 -m 1 'BUG: soft lockup' | grep -c 'CPU: 1 PID: '$pid' Comm: sh'"
    );
    let outcome = lab.guest().cpus(2).sh(&script)?;
    let right = outcome.output() == "1\n";
    let outcome = outcome.holds(right, "not a whole report")?;
    let mut report = vec!["watchdog: BUG: soft lockup - CPU#1 stuck for *s! [sh:*]", MODULES];
    report.push("CPU: 1 PID: * Comm: sh Not tainted 6.1.0-heddle #1");
    report.extend(REGISTERS);
    report.extend(["Call Trace:", " <TASK>", " [<ffffffff*>] *+0x*/0x*"]);
    check_report(&outcome, "BUG: soft lockup", &report)
}

const MODULES: &str = "Modules linked in:";

/// Registers in a report, with `*` for what may be anything.
const REGISTERS: [&str; 11] = [
    "RIP: 0010:crash::*+0x*/0x*",
    CODE,
    "RSP: 0018:ffffc900* EFLAGS: 00*",
    "RAX: * RBX: * RCX: *",
    "RDX: * RSI: * RDI: *",
    "RBP: ffffc900* R08: * R09: *",
    "R10: * R11: * R12: *",
    "R13: * R14: * R15: *",
    "FS:  0000*(0000) GS:ffff*(0000) knlGS:0000*",
    "CS:  0010 DS: 0000 ES: 0000 CR0: 0000*",
    "CR2: 0000* CR3: 0000* CR4: 0000*",
];

/// 42 bytes before the instruction, and 22 from it on.
const CODE: &str = "Code: * <*> *";

/// Whether a line is as a pattern says, in which `*` is any text.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |part| rest.is_empty() || part.is_empty())
}

/// Whether the log has these lines one after another, the first of which is the first with a text in it.
fn check_report(outcome: &Outcome<'_>, begin: &str, patterns: &[&str]) -> Result<()> {
    let lines = outcome.log().iter().map(|line| log::message(line));
    let lines: Vec<_> = lines.skip_while(|line| !line.contains(begin)).collect();
    for (place, pattern) in patterns.iter().enumerate() {
        let line = lines.get(place).copied().unwrap_or_default();
        if !is_like(line, pattern) {
            return outcome.wrong(&format!("no line like {pattern:?}, but {line:?}"));
        }
        if *pattern == CODE {
            let bytes: Vec<_> = line["Code: ".len()..].split(' ').collect();
            if bytes.len() != 64 || bytes.iter().position(|byte| byte.starts_with('<')) != Some(42)
            {
                return outcome.wrong(&format!("not the code around an instruction: {line:?}"));
            }
        }
    }
    Ok(())
}

fn d2_hard_lockup_is_reported(lab: &Lab) -> Result<()> {
    let script = format!(
        "{WAIT}
        echo 1 > /proc/sys/kernel/watchdog_thresh
        taskset 2 sh -c 'echo HARDLOCKUP > {PROVOKE}' & pid=$!; seen 1 'hard LOCKUP on cpu 1'; seen 1 '</TASK>'
        dmesg | grep -A 4 'LOCKUP on' | grep -c 'CPU: 1 PID: '$pid' Comm: sh'
        awk '$1 == \"NMI:\" {{ print $3 }}' /proc/interrupts"
    );
    let outcome = lab.guest().cpus(2).sh(&script)?;
    let right = outcome.output() == "1\n1\n";
    let outcome = outcome.holds(right, "not a whole report")?;
    let mut report = vec!["NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", MODULES];
    report.extend(["Sending NMI from CPU 0 to CPUs 1:", "NMI backtrace for cpu 1"]);
    report.push("CPU: 1 PID: * Comm: sh Not tainted 6.1.0-heddle #1");
    report.extend(REGISTERS);
    report.extend(["Call Trace:", " <TASK>", " [<ffffffff*>] *+0x*/0x*"]);
    check_report(&outcome, "hard LOCKUP on cpu 1", &report)
}

fn d2_softlockup_panic(lab: &Lab) -> Result<()> {
    let outcome = lab
        .guest()
        .append("softlockup_panic=1 watchdog_thresh=1")
        .sh(&format!("echo SOFTLOCKUP > {PROVOKE}"))?
        .panic("Kernel panic - not syncing: softlockup: hung tasks")?;
    let outcome = outcome.logged("watchdog: BUG: soft lockup - CPU#")?;
    // The panic's own backtrace: the interrupt, and what it came into.
    let interrupted = [" </IRQ>", " <TASK>", REGISTERS[0], CODE, REGISTERS[2], REGISTERS[3]];
    check_report(&outcome, " </IRQ>", &interrupted)?;
    outcome.logged(" <IRQ>").map(drop)
}

fn d2_hardlockup_panic(lab: &Lab) -> Result<()> {
    let stuck = format!("exec taskset 2 sh -c 'echo HARDLOCKUP > {PROVOKE}'");
    let panic = "Kernel panic - not syncing: Hard LOCKUP";
    let guest = || lab.guest().cpus(2).append("watchdog_thresh=1");
    guest().append("nmi_watchdog=panic").sh(&stuck)?.panic(panic)?;
    let outcome = guest().sh(&format!("echo 1 > /proc/sys/kernel/hardlockup_panic; {stuck}"))?;
    outcome.panic(panic)?.logged("hard LOCKUP on cpu 1").map(drop)
}

/// Each report shows what the other CPUs do, if that is wanted.
fn all_cpus_are_shown(lab: &Lab) -> Result<()> {
    let begin = format!(
        "{WAIT}
        cd /proc/sys/kernel; echo 2 > hung_task_timeout_secs; echo 1 > hung_task_warnings; echo 1 > watchdog_thresh
        echo 1 | tee hung_task_all_cpu_backtrace hardlockup_all_cpu_backtrace > softlockup_all_cpu_backtrace
        # Of the first report that it is about: a busy host may make for others.
        asked() {{ awk -v p=\"$1\" '
            /LOCKUP on|BUG: soft lockup|blocked for more than/ {{ is_it = $0 ~ p && !found; found = found || is_it }}
            is_it && /NMI backtrace/ {{ c++ }} END {{ print c + 0 }}'; }}
        shown() {{
            for i in $(seq 300); do [ $(dmesg | asked \"$1\") -ge 2 ] && break; sleep 0.2; done
            sleep 0.5; dmesg -c | asked \"$1\"
        }}"
    );
    let script = format!(
        "{begin}
        sh -c 'echo HUNG_TASK > {PROVOKE}' & shown 'blocked for more than'
        taskset 4 sh -c 'echo SOFTLOCKUP > {PROVOKE}' & shown 'BUG: soft lockup'"
    );
    let outcome = lab.guest().cpus(3).sh(&script)?;
    let right = outcome.output() == "2\n2\n";
    outcome.holds(right, "two others are not shown each time")?.logged("soft lockup - CPU#2")?;
    let script =
        format!("{begin}\ntaskset 4 sh -c 'echo HARDLOCKUP > {PROVOKE}' & shown 'LOCKUP on cpu 2'");
    lab.guest().cpus(3).sh(&script)?.prints("2\n")
}

fn d2_parameters_turn_it_off(lab: &Lab) -> Result<()> {
    let script = "cd /proc/sys/kernel; cat watchdog soft_watchdog nmi_watchdog; ps -o comm | grep -c '^watchdog/'";
    lab.guest().append("nowatchdog").sh(&format!("{script}; true"))?.prints("0\n0\n0\n0\n")?;
    let script = "cd /proc/sys/kernel; cat watchdog soft_watchdog nmi_watchdog hardlockup_panic";
    lab.guest().append("nosoftlockup nmi_watchdog=panic,1").sh(script)?.prints("1\n0\n1\n1\n")
}
