//! Deferred work and timers, as programs see them.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("w3_every_kind_of_timer", every_kind_of_timer),
        Case::new("w1_ksoftirqd_is_shown", ksoftirqd_is_shown),
        Case::new("w1_softirqs_are_counted", softirqs_are_counted),
    ]
}

fn every_kind_of_timer(lab: &Lab) -> Result<()> {
    let expected = "sleeps\ntimer files\ninterval timers\nCPU interval timers\nPOSIX timers\n\
        overruns\nCPU timers\n";
    lab.guest().with(Program::Timers)?.run(&["timers"])?.prints(expected)
}

fn ksoftirqd_is_shown(lab: &Lab) -> Result<()> {
    let script = "\
        ps -o ppid,stat,comm | grep ksoftirqd | awk '{ print $1, $3 }'
        cpu=/sys/devices/system/cpu/cpu1/online
        echo 0 > $cpu; sleep 0.1; echo 1 > $cpu; ps -o comm | grep -c ksoftirqd
        pid=$(pidof ksoftirqd/1); grep Cpus_allowed_list /proc/$pid/status";
    lab.guest().sh(script)?.prints("2 ksoftirqd/0\n2 ksoftirqd/1\n2\nCpus_allowed_list:\t1\n")
}

/// The table has Linux's shape, its numbers grow, and `/proc/stat` has their sums.
fn softirqs_are_counted(lab: &Lab) -> Result<()> {
    let script = "\
        awk '{ print $1 }' /proc/softirqs | tr '\\n' ' '; echo
        head -n 1 /proc/softirqs
        count() { awk '$1 == \"SCHED:\" { print $2 + $3 }' /proc/softirqs; }
        a=$(count); for n in 1 2 3 4; do (i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done) & done
        wait; b=$(count); [ $b -gt $a ] && echo balanced
        awk '/^softirq/ { s = 0; for (n = 3; n <= NF; n++) s += $n; print NF, ($2 == s) }' /proc/stat
        awk '/^intr/ { print (NF > 3), ($2 > 0) }' /proc/stat";
    lab.guest().sh(script)?.prints(
        "CPU0 HI: TIMER: NET_TX: NET_RX: BLOCK: IRQ_POLL: TASKLET: SCHED: HRTIMER: RCU: \n\
         \x20                   CPU0       CPU1       \nbalanced\n12 1\n1 1\n",
    )
}
