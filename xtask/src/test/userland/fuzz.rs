//! A hostile program for a minute.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("hostile_calls_for_a_minute", |lab| hostile_calls(lab, 60)),
        Case::new("life_goes_on_after_hostile_calls", life_goes_on),
    ]
}

fn hostile_calls(lab: &Lab, seconds: u64) -> Result<()> {
    let outcome = lab
        .guest()
        .cpus(4)
        .seconds(seconds + 120)
        .with(Program::Fuzz)?
        .sh(&format!("cp /bin/busybox /tmp/victim; fuzz {seconds} 1 4"))?
        .status(0)?;
    let complete = outcome.output().contains(", every call with every bad pointer");
    outcome.holds(complete, "the systematic part is not done").map(drop)
}

/// After all workers are dead, no process and hardly any memory is missing.
fn life_goes_on(lab: &Lab) -> Result<()> {
    let script = "\
        free_memory() { awk '/MemFree/ { print $2 }' /proc/meminfo; }
        fuzz 1 9 2 > /dev/null
        rm -rf /tmp/*
        before=$(free_memory)
        cp /bin/busybox /tmp/victim
        fuzz 8 7 4 > /dev/null || exit 1
        rm -rf /tmp/*
        sleep 1
        after=$(free_memory)
        ps -o comm | grep -c '^fuzz'
        [ $((before - after)) -lt 8192 ] && echo memory is back || echo $before $after";
    let outcome = lab.guest().cpus(2).with(Program::Fuzz)?.sh(script)?;
    outcome.prints("0\nmemory is back\n")
}
