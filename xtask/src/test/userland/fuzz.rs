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

/// The tests.
pub fn cases() -> Vec<Case> {
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
        .sh(&format!("cp /bin/busybox /tmp/victim; fuzz {seconds} 1 4"))?
        .status(0)?;
    let complete = outcome.output().contains(", every call with every bad pointer");
    outcome.holds(complete, "the systematic part is not done").map(drop)
}

fn trinity(lab: &Lab) -> Result<()> {
    let seconds = seconds()?;
    let script = format!(
        "\
        count() {{ echo $(ls -d /proc/[0-9]* | wc -l) $(cut -f 1 /proc/sys/fs/file-nr) \
            $(awk '/^MemFree/ {{ print $2 }}' /proc/meminfo); }}
        run() {{
            mkdir -p /tmp/w; chown user /tmp/w
            su user -c \"cd /tmp/w; timeout -s INT -k 10 $1 trinity -q -l off --disable-fds=sockets \
                -C 8 -s $(date +%s) > /tmp/w/said 2>&1\"
            grep -o 'Ran [0-9]* syscalls' /tmp/w/said || tail /tmp/w/said
            # The watch that the applet keeps over its command sleeps for a while.
            killall -q timeout; sleep 1; cd /; rm -rf /tmp/* /dev/shm/*
        }}
        run 3; before=$(count); run {seconds}; set -- $before $(count)
        echo $(($4 - $1)) $(($5 - $2)) $((($3 - $6) / 8192))"
    );
    let outcome = lab
        .guest()
        .cpus(4)
        .memory(1024)
        .seconds(seconds + PATIENCE)
        .packages(&["trinity"])
        .sh(&script)?
        .status(0)?;
    let lines: Vec<_> = outcome.output().lines().collect();
    let made = lines.get(1).and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let worked = made.is_some_and(|calls: u64| calls > 100 * seconds);
    let clean = lines.get(2) == Some(&"0 0 0");
    outcome
        .holds(worked, "trinity did not make its calls")?
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
        sleep 1
        after=$(free_memory)
        ps -o comm | grep -c '^fuzz'
        [ $((before - after)) -lt 8192 ] && echo memory is back || echo $before $after";
    let outcome = lab.guest().cpus(2).with(Program::Fuzz)?.sh(script)?;
    outcome.prints("0\nmemory is back\n")
}
