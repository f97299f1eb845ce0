//! Workqueues as a user sees them: the workers that `ps` shows, and a pool that is stuck.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("w4_workers_grow_and_fall", w4_workers_grow_and_fall),
        Case::new("w4_a_stuck_pool_is_reported", w4_a_stuck_pool_is_reported),
        Case::new("w5_names_of_workers", w5_names_of_workers),
    ]
}

/// Where a task asks for work that sleeps, or never ends; the image that tests run has it.
const PROVOKE: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// All names in full; busybox's `ps` cuts them.
const NAMES: &str = "names() { cat /proc/[0-9]*/comm 2>&-; }";

fn w4_workers_grow_and_fall(lab: &Lab) -> Result<()> {
    let script = format!(
        "{NAMES}; workers() {{ names | grep -c '^kworker/0:[0-9]*\\([-+].*\\)*$'; }}
        [ $(workers) -le 3 ] || names
        echo BLOCKED_WORK > {PROVOKE}; sleep 1
        [ $(workers) -ge 9 ] && echo grown; names | grep -c '^kworker/0:[0-9]*+events$'
        for i in $(seq 30); do [ $(workers) -le 3 ] && break; sleep 1; done
        [ $(workers) -le 3 ] && echo fallen"
    );
    let outcome = lab.guest().cpus(2).append("workqueue.idle_timeout=1").sh(&script)?;
    let right = outcome.output() == "grown\n8\nfallen\n";
    outcome.holds(right, "not as many workers as there is blocked work").map(drop)
}

fn w4_a_stuck_pool_is_reported(lab: &Lab) -> Result<()> {
    let script = format!(
        "echo WORKQUEUE_LOCKUP > {PROVOKE}
        for i in $(seq 60); do dmesg | grep -q 'pool 0: .* idle:' && break; sleep 0.2; done
        dmesg | sed 's/^[^]]*] //' | grep -A 20 lockup | grep -v '^  *pwq [^0]' | sed \
            -e 's/stuck for [0-9]*s/stuck/' -e 's/in-flight: [0-9]*:/in-flight: /' -e 's/workers=.*//'"
    );
    let outcome = lab.guest().cpus(1).append("workqueue.watchdog_thresh=1").sh(&script)?;
    let wanted = [
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck!",
        "Showing busy workqueues and worker pools:",
        "workqueue events: flags=0x0",
        "  pwq 0: cpus=0 node=0 flags=0x0 nice=0 active=2/256",
        "    in-flight: hog",
        "    pending: behind",
        "pool 0: cpus=0 node=0 flags=0x0 nice=0 ",
    ];
    let right = wanted.iter().all(|line| outcome.output().lines().any(|seen| seen == *line));
    outcome.holds(right, "not the report that tools read").map(drop)
}

fn w5_names_of_workers(lab: &Lab) -> Result<()> {
    // Each kind of worker of a machine with two CPUs, in `ps`, too; the queue behind one that works, in all three files, and behind
    // one that has worked; nothing in the command line; the nice value of high priority; none of the threads that workers replace.
    let script = format!(
        "{NAMES}; echo BLOCKED_WORK > {PROVOKE}; sleep 0.5
        for kind in 0:0 0:0H 1:0 1:0H u4:0; do
            names | grep -q \"^kworker/$kind\\([-+].*\\)*$\" || echo \"no $kind\"
            ps -o args | grep -q \"^.kworker/$kind\" || echo \"no $kind in ps\"
        done
        names | grep -q '^kworker/u4:[0-9]*[-+]events_unbound$' || echo 'no unbound queue'
        pid=$(cd /proc; grep -l '^kworker/0:.*+events$' [0-9]*/comm | head -n 1); pid=${{pid%/comm}}
        for file in comm stat status; do
            grep -q 'kworker/0:[0-9]*+events\\()\\|$\\)' /proc/$pid/$file || cat /proc/$pid/$file
        done
        wc -c < /proc/$pid/cmdline
        pid=$(cd /proc; grep -l '^kworker/0:0H' [0-9]*/comm)
        cut -d ' ' -f 4,19 /proc/${{pid%/comm}}/stat; names | grep -c -e kreaper -e kttyd"
    );
    let outcome = lab.guest().cpus(2).sh(&script)?;
    let right = outcome.output() == "0\n2 -20\n0\n";
    outcome.holds(right, "workers are not named as on Linux").map(drop)
}
