//! Scheduling as programs see it: policies, affinity, shares, CPUs that come and go.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::{Lab, Outcome};
use anyhow::{Context, Result};

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("s6_hotplug_a_hundred_times_under_load", hotplug_under_load),
        Case::new("s1_nice_values_share_by_weight", nice_values_share_by_weight),
        Case::new("s1_fifo_leaves_five_per_cent", fifo_leaves_five_per_cent),
        Case::new("s1_policies_are_set_and_shown", policies_are_set_and_shown),
        Case::new("s1_deadline_is_kept_and_shown", deadline_is_kept_and_shown),
        Case::new("s1_deadline_calls_answer_as_on_linux", deadline_calls),
        Case::new("s3_affinity_is_set_and_shown", affinity_is_set_and_shown),
        Case::new("s3_isolated_cpus_stay_free", isolated_cpus_stay_free),
        Case::new("s5_migration_threads_are_out_of_reach", migration_threads_are_out_of_reach),
        Case::new("s6_per_cpu_threads_as_on_linux", per_cpu_threads_as_on_linux),
        Case::new("s8_load_average_rises", load_average_rises),
        Case::new("k3_nodes_are_shown", nodes_are_shown),
    ]
}

/// Shell functions that the scripts below share.
const TOOLS: &str = "
# The PID of the kernel thread with this name.
thread() { for stat in /proc/[0-9]*/stat; do
    read -r pid name rest < $stat && [ \"$name\" = \"($1)\" ] && echo $pid && return
done 2> /dev/null; }
# Nanoseconds on a CPU.
ran() { read -r run rest < /proc/$1/schedstat; echo $run; }
spin() { while :; do :; done; }
";

fn script(body: &str) -> String {
    format!("{TOOLS}{body}")
}

/// A shell function: `in_range LOW HIGH`, of the `share` that a function `measure` finds, in thousandths. The host may hold a CPU up for some
/// time, which whoever ran there has got; so it is measured again, up to ten times.
const IN_RANGE: &str = "
in_range() { for turn in 1 2 3 4 5 6 7 8 9 10; do
    measure; echo share $share; [ $share -ge $1 ] && [ $share -lt $2 ] && echo right && return
done; }
";

/// The number after a word at the start of a line of the output.
fn number(outcome: &Outcome, word: &str) -> Result<f64> {
    outcome
        .output()
        .lines()
        .find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
        .with_context(|| format!("no line {word:?} with a number in:\n{}", outcome.output()))
}

fn hotplug_under_load(lab: &Lab) -> Result<()> {
    let body = "
for i in 1 2 3 4; do (n=0; while [ ! -e /tmp/stop ]; do n=$((n + 1)); done; echo $n > /tmp/load.$i) & done
i=0
while [ $i -lt 100 ]; do
    echo 0 > /sys/devices/system/cpu/cpu1/online || exit 1
    echo 1 > /sys/devices/system/cpu/cpu1/online || exit 1
    i=$((i + 1))
done
touch /tmp/stop
wait
for i in 1 2 3 4; do read -r n < /tmp/load.$i && [ $n -gt 0 ] || exit 1; done
cat /sys/devices/system/cpu/online
";
    lab.guest().cpus(2).seconds(300).sh(&script(body))?.status(0)?.prints("0-1\n")
}

fn nice_values_share_by_weight(lab: &Lab) -> Result<()> {
    let body = "
taskset -p 1 $$ > /dev/null
spin & zero=$!
spin & high=$!
renice -n 19 -p $high > /dev/null
sleep 1
measure() {
    a=$(ran $zero); b=$(ran $high)
    sleep 6
    zeros=$(($(ran $zero) - a)); highs=$(($(ran $high) - b))
    share=$((zeros * 1000 / (zeros + highs)))
}
# 1024 of 1024 + 15 are 985, and not all.
in_range 935 1000
kill $zero $high
";
    let outcome = lab.guest().seconds(300).sh(&script(&format!("{IN_RANGE}{body}")))?;
    let right = outcome.output().ends_with("right\n");
    outcome.holds(right, "nice 0 beside nice 19 got other shares").map(drop)
}

fn fifo_leaves_five_per_cent(lab: &Lab) -> Result<()> {
    let body = "
taskset -p 2 $$ > /dev/null
spin & fair=$!
chrt -f 10 sh -c 'while :; do :; done' & fifo=$!
taskset -p 1 $$ > /dev/null
sleep 1
measure() {
    a=$(ran $fair); b=$(ran $fifo)
    sleep 5
    fairs=$(($(ran $fair) - a)); fifos=$(($(ran $fifo) - b))
    share=$((fairs * 1000 / (fairs + fifos)))
}
in_range 20 100
kill $fair $fifo
cat /proc/sys/kernel/sched_rt_period_us /proc/sys/kernel/sched_rt_runtime_us
";
    let guest = lab.guest().cpus(2).seconds(300).with(Program::Chrt)?;
    let outcome = guest.sh(&script(&format!("{IN_RANGE}{body}")))?;
    let right = outcome.output().ends_with("right\n1000000\n950000\n");
    outcome
        .holds(right, "the fair one got another share, or the limits are not as on Linux")
        .map(drop)
}

fn policies_are_set_and_shown(lab: &Lab) -> Result<()> {
    let body = "
chrt -f 42 sleep 60 & a=$!
chrt -r 7 sleep 60 & b=$!
chrt -b 0 sleep 60 & c=$!
chrt -n 5 sleep 60 & d=$!
for pid in $a $b $c $d; do until grep -qx sleep /proc/$pid/comm; do sleep 0.1; done; done
for pid in $a $b $c $d; do chrt -p $pid; done
# Fields 18 and 19: priority and nice; 40 and 41: real-time priority and policy.
for pid in $a $b $d; do cut -d ' ' -f 18,19,40,41 /proc/$pid/stat; done
chrt -f 100 true || echo refused
renice -n 3 -p $d > /dev/null; cut -d ' ' -f 19 /proc/$d/stat
kill $a $b $c $d
";
    let expected = "SCHED_FIFO 42\nSCHED_RR 7\nSCHED_BATCH 0\nSCHED_OTHER 0\n\
        -43 0 42 1\n-8 0 7 2\n25 5 0 0\nrefused\n8\n";
    lab.guest()
        .with(Program::Chrt)?
        .sh(&format!("exec 2> /dev/null\n{}", script(body)))?
        .prints(expected)
}

fn deadline_is_kept_and_shown(lab: &Lab) -> Result<()> {
    let body = "
chrt -d --sched-runtime 20000000 --sched-deadline 50000000 --sched-period 100000000 0 \
    sh -c 'while :; do :; done' & pid=$!
sh -c 'while :; do :; done' & fair=$!
until [ $(cut -d ' ' -f 41 /proc/$pid/stat) = 6 ]; do sleep 0.1; done; sleep 1
chrt -p $pid | sed 's/.*current //'
ps -o cls= -p $pid
# Fields 18 and 19: priority and nice; 40 and 41: real-time priority and policy.
cut -d ' ' -f 18,19,40,41 /proc/$pid/stat
taskset -p 1 $pid > /dev/null 2>&1 || echo stays
# Hundredths of a second, without the zeros in front that would make them octal.
up() { cut -d ' ' -f 1 /proc/uptime | tr -d . | sed 's/^0*//'; }
measure() {
    from=$(up); a=$(ran $pid); sleep 5; b=$(ran $pid); to=$(up)
    share=$(((b - a) / 10000 / (to - from)))
}
in_range 180 220
chrt -o -p 0 $pid; ps -o cls= -p $pid
kill $pid $fair
chrt -d --sched-runtime 1000 --sched-deadline 50000000 --sched-period 100000000 0 true || echo refused
for one in max min; do cat /proc/sys/kernel/sched_deadline_period_${one}_us; done
";
    let expected = "scheduling policy: SCHED_DEADLINE\nscheduling priority: 0\n\
        runtime/deadline/period parameters: 20000000/50000000/100000000\n\
        DLN\n-101 0 0 6\nstays\nright\nTS\nrefused\n4194304\n100\n";
    let guest = lab.guest().cpus(2).seconds(300).packages(&["util-linux", "procps"]);
    let whole = format!("exec 2> /dev/null\n{}", script(&format!("{IN_RANGE}{body}")));
    let outcome = guest.run(&["sh", "-c", &whole])?;
    let shown: String = outcome
        .output()
        .lines()
        .filter(|line| !line.starts_with("share "))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    outcome.holds(shown == expected, &format!("expected:\n{expected}")).map(drop)
}

fn deadline_calls(lab: &Lab) -> Result<()> {
    let expected = "\
wrong EINVAL\nwrong EINVAL\nwrong EINVAL\nwrong EINVAL\nwrong EINVAL\nflags EINVAL EINVAL\n\
sizes ('E2BIG', 56) ('ok', 48) ('ok', 64) ok\n\
told EINVAL (48, 6, 0, 0, 0, 1000000, 10000000, 10000000) \
(56, 6, 0, 0, 0, 1000000, 10000000, 10000000, 0, 0) 56\n\
others 6 0 0.0\nsetparam EINVAL\nnarrowed EBUSY\nfork EAGAIN ok 0\nleft ok 0\nsetscheduler EINVAL\n\
holder ok\ntoo much EBUSY ok ok\nlimit EBUSY\nhotplug EBUSY\nhotplug ok ok\nbound EPERM\n\
overrun ok 4\nsignals 3\nwithout ok\nsignals 0\nuser ok EPERM\n";
    let guest = lab.guest().cpus(2).seconds(300).packages(&["python3"]);
    guest.run(&["python3", "-c", include_str!("scripts/deadline.py")])?.prints(expected)
}

fn affinity_is_set_and_shown(lab: &Lab) -> Result<()> {
    let body = "
spin & pid=$!
for mask in 2 1 2 1; do
    taskset -p $mask $pid > /dev/null
    grep Cpus_allowed_list /proc/$pid/status
    cut -d ' ' -f 39 /proc/$pid/stat
done
taskset -p 10 $pid > /dev/null 2>&1 || echo refused
kill $pid
";
    let expected = "Cpus_allowed_list:\t1\n1\nCpus_allowed_list:\t0\n0\n\
        Cpus_allowed_list:\t1\n1\nCpus_allowed_list:\t0\n0\nrefused\n";
    lab.guest().cpus(2).sh(&script(body))?.prints(expected)
}

fn isolated_cpus_stay_free(lab: &Lab) -> Result<()> {
    let body = "
cat /sys/devices/system/cpu/isolated
grep Cpus_allowed_list /proc/2/status
grep Cpus_allowed_list /proc/$(thread migration/1)/status
";
    let guest = lab.guest().cpus(2).append("isolcpus=1");
    guest.sh(&script(body))?.prints("1\nCpus_allowed_list:\t0\nCpus_allowed_list:\t1\n")
}

fn migration_threads_are_out_of_reach(lab: &Lab) -> Result<()> {
    let body = "
pid=$(thread migration/1)
taskset -p 1 $pid > /dev/null 2>&1 && echo moved
kill -9 $pid; kill -STOP $pid
sleep 1
cut -d ' ' -f 3,40,41 /proc/$pid/stat
cat /proc/$pid/comm
# It still does its work.
echo 0 > /sys/devices/system/cpu/cpu1/online && echo 1 > /sys/devices/system/cpu/cpu1/online && echo works
";
    lab.guest().cpus(2).sh(&script(body))?.prints("S 99 1\nmigration/1\nworks\n")
}

fn per_cpu_threads_as_on_linux(lab: &Lab) -> Result<()> {
    let body = "
echo 0 > /sys/devices/system/cpu/cpu1/online
cat /sys/devices/system/cpu/online
# What it is at for a moment yet is not what is meant.
state() { for i in $(seq 300); do
    seen=$(cut -d ' ' -f 3 /proc/$(thread $1)/stat); [ $seen = $2 ] && break; sleep 0.1
done; echo $seen; }
state cpuhp/1 P
state migration/1 P
(echo 0 > /sys/devices/system/cpu/cpu0/online) 2> /dev/null || echo last one stays
echo 1 > /sys/devices/system/cpu/cpu1/online
cat /sys/devices/system/cpu/online
state cpuhp/1 S
grep Cpus_allowed_list /proc/$(thread cpuhp/1)/status
";
    let expected = "0\nP\nP\nlast one stays\n0-1\nS\nCpus_allowed_list:\t1\n";
    lab.guest().cpus(2).sh(&script(body))?.prints(expected)
}

fn load_average_rises(lab: &Lab) -> Result<()> {
    let body = "
spin & a=$!
spin & b=$!
sleep 12
cut -d ' ' -f 1 /proc/loadavg | sed 's/^/load /'
kill $a $b
";
    let outcome = lab.guest().seconds(300).sh(&script(body))?;
    let load = number(&outcome, "load")?;
    outcome.holds((0.1..2.5).contains(&load), &format!("two spinners for 12 s: {load}")).map(drop)
}

fn nodes_are_shown(lab: &Lab) -> Result<()> {
    let body = "
cat /sys/devices/system/node/online /sys/devices/system/node/node1/cpulist
grep -c MemTotal /sys/devices/system/node/node1/meminfo
grep -q 'N[01]=' /proc/self/numa_maps && echo shown
";
    lab.guest().cpus(2).nodes(2).sh(&script(body))?.prints("0-1\n1\n1\nshown\n")
}
