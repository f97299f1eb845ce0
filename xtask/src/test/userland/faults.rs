//! Programs that do wrong die of it, alone.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// What ends a program that does this wrong: 128 and the signal's number, as shells count.
const FAULTS: [(&str, u8); 12] = [
    ("null-write", SIGSEGV),
    ("null-call", SIGSEGV),
    ("kernel-read", SIGSEGV),
    ("non-canonical-read", SIGSEGV),
    ("text-write", SIGSEGV),
    ("data-execute", SIGSEGV),
    ("stack-overrun", SIGSEGV),
    ("divide", SIGFPE),
    ("illegal", SIGILL),
    ("privileged", SIGSEGV),
    ("port", SIGSEGV),
    ("breakpoint", SIGTRAP),
];

const SIGILL: u8 = 128 + 4;
const SIGTRAP: u8 = 128 + 5;
const SIGFPE: u8 = 128 + 8;
const SIGSEGV: u8 = 128 + 11;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("faults_end_by_their_signal", faults_end_by_their_signal),
        Case::new("a_command_that_crashes_has_its_status", a_command_that_crashes_has_its_status),
        Case::new("unknown_calls_are_logged_once", unknown_calls_are_logged_once),
        Case::new("k12_kernel_stack_overrun_names_the_thread", kernel_stack_overrun),
        Case::new("k16_a_panic_in_a_system_call_ends_the_task", panic_in_a_system_call),
    ]
}

/// All of them in one guest: the shell lives on after each.
fn faults_end_by_their_signal(lab: &Lab) -> Result<()> {
    let script: String =
        FAULTS.iter().map(|(fault, _)| format!("faults {fault}; echo {fault} $?\n")).collect();
    // The shell says `Segmentation fault` and the like on standard error.
    let script = format!("exec 2> /dev/null\n{script}");
    let expected: String =
        FAULTS.iter().map(|(fault, status)| format!("{fault} {status}\n")).collect();
    lab.guest().with(Program::Faults)?.sh(&script)?.prints(&expected)
}

fn a_command_that_crashes_has_its_status(lab: &Lab) -> Result<()> {
    lab.guest().with(Program::Faults)?.run(&["faults", "null-write"])?.status(SIGSEGV).map(drop)
}

fn unknown_calls_are_logged_once(lab: &Lab) -> Result<()> {
    let guest = lab.guest().with(Program::Faults)?;
    let outcome = guest.run(&["faults", "unknown-call"])?.status(0)?.logged("kexec_load")?;
    let times = outcome.log().iter().filter(|line| line.contains("kexec_load")).count();
    outcome.holds(times == 1, "logged more than once").map(drop)
}

fn kernel_stack_overrun(lab: &Lab) -> Result<()> {
    let outcome = lab
        .guest()
        .append("heddle.crash=stack-overflow")
        .run(&[])?
        .panic("Kernel panic - not syncing: kernel stack overflow")?;
    let named = outcome.log().iter().any(|line| line.contains("Comm: crash"));
    outcome.holds(named, "the log does not name the thread").map(drop)
}

fn panic_in_a_system_call(lab: &Lab) -> Result<()> {
    let script = "faults provoke BUG; echo $?; ls -d /proc/1; cat /proc/sys/kernel/panic_on_oops";
    let guest = lab.guest().with(Program::Faults)?;
    let outcome = guest.sh(&format!("exec 2> /dev/null\n{script}"))?;
    let right = outcome.output() == "139\n/proc/1\n0\n";
    outcome.holds(right, "the task did not die alone")?.logged("Oops: kernel code panicked")?;
    let fatal = lab.guest().with(Program::Faults)?.append("oops=panic");
    fatal.run(&["faults", "provoke", "BUG"])?.panic("not syncing: Fatal exception").map(drop)
}
