//! Hostile programs: our own, which wants to get at the kernel, and Debian's trinity, as an ordinary user.
//!
//! Both make system calls by chance for as long as they are told to. What they may do to themselves and to each other
//! is their affair; the kernel neither panics nor hangs nor complains, and has its memory back afterwards.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::{Context, Result};

/// In the environment: for how many seconds, instead of these, each of the two goes on.
const SECONDS_VARIABLE: &str = "HEDDLE_HOSTILE_SECONDS";
const SECONDS: u64 = 45;

/// How much longer than its program's time a guest may take.
const PATIENCE: u64 = 120;

/// How many seconds more ours may take until every call has been made with every bad pointer.
const MORE: u64 = 500;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hostile_calls", hostile_calls),
        Case::new("trinity", trinity),
        Case::new("life_goes_on_after_hostile_calls", life_goes_on),
    ]
}

fn seconds() -> Result<u64> {
    match std::env::var(SECONDS_VARIABLE) {
        Ok(seconds) => seconds.parse().with_context(|| format!("{SECONDS_VARIABLE}: {seconds}")),
        Err(_) => Ok(SECONDS),
    }
}

fn hostile_calls(lab: &Lab) -> Result<()> {
    let seconds = seconds()?;
    let outcome = lab
        .guest()
        .cpus(4)
        .seconds(seconds + PATIENCE)
        .with(Program::Fuzz)?
        .sh(&format!("cp /bin/busybox /tmp/victim; fuzz {seconds} 1 4 {MORE}"))?
        .status(0)?;
    let complete = outcome.output().contains(", every call with every bad pointer");
    outcome.holds(complete, "the systematic part is not done").map(drop)
}

fn trinity(lab: &Lab) -> Result<()> {
    const FUNCTIONS: &str = include_str!("scripts/trinity.sh");
    // It makes about a thousand.
    const CALLS_PER_SECOND: u64 = 50;
    let seconds = seconds()?;
    // The first time fills caches.
    let script = format!(
        "{FUNCTIONS}
        hostile 3 > /dev/null; before=$(count); hostile {seconds}
        for i in $(seq 100); do
            set -- $before $(count)
            [ $4 -le $1 ] && [ $5 -le $2 ] && [ $(($3 - $6)) -lt 8192 ] && echo nothing left && exit; sleep 0.3
        done; echo left behind: $*"
    );
    let guest = lab.guest().cpus(4).memory(1024).seconds(seconds + PATIENCE);
    let outcome = guest.packages(&["trinity", "util-linux"]).sh(&script)?.status(0)?;
    let mut lines = outcome.output().lines();
    let calls: Option<u64> = lines.next().and_then(|line| line.parse().ok());
    let clean = lines.next() == Some("nothing left");
    outcome
        .holds(calls > Some(CALLS_PER_SECOND * seconds), "trinity did not make its calls")?
        .holds(clean, "trinity left processes, open files or memory behind")
        .map(drop)
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
        for i in $(seq 100); do
            sleep 0.3; after=$(free_memory); [ $((before - after)) -lt 8192 ] && ! pidof fuzz > /dev/null && break
        done
        ps -o comm | grep -c '^fuzz'
        [ $((before - after)) -lt 8192 ] && echo memory is back || echo $before $after";
    let outcome = lab.guest().cpus(2).with(Program::Fuzz)?.sh(script)?;
    outcome.prints("0\nmemory is back\n")
}
