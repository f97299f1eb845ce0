//! Deferred work and timers, as programs see them.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("w3_every_kind_of_timer", every_kind_of_timer),
        Case::new("w3_timers_follow_the_date", timers_follow_the_date),
        Case::new("c7_adjtimex_of_busybox", adjtimex_of_busybox),
        Case::new("c7_adjtimex_trims", adjtimex_trims),
        Case::new("c7_adjtimex_of_debian", adjtimex_of_debian),
        Case::new("w1_ksoftirqd_is_shown", ksoftirqd_is_shown),
        Case::new("w1_softirqs_are_counted", softirqs_are_counted),
        Case::new("w3_timers_are_traced", timers_are_traced),
        Case::new("w4_work_is_traced", work_is_traced),
    ]
}

fn every_kind_of_timer(lab: &Lab) -> Result<()> {
    let expected = "sleeps\ntimer files\nwhat is known of timer files\ninterval timers\n\
        CPU interval timers\nPOSIX timers\nwhat is known of POSIX timers\noverruns\nCPU timers\nclocks without timers\n";
    lab.guest().with(Program::Timers)?.run(&["timers"])?.prints(expected)
}

fn timers_follow_the_date(lab: &Lab) -> Result<()> {
    let expected = "waits\nrelative times\ntimer files\ncancelled timer files\nPOSIX timers\n\
        exactness\nmoved dates\ntrimmed clocks\noffsets\nleap seconds\n";
    lab.guest().cpus(2).with(Program::Timers)?.run(&["timers", "dates"])?.prints(expected)
}

fn adjtimex_of_busybox(lab: &Lab) -> Result<()> {
    let script = "\
        adjtimex | grep -v -e time.tv -e mode: | sed 's/^-. *//; s/^ *//' | tr -s ' '
        su -s /bin/sh nobody -c 'adjtimex > /dev/null; echo $?; adjtimex -q -o 0 2>&-; echo $?'; sleep 0.2";
    lab.guest().sh(script)?.prints(
        "offset: 0 us\nfreq.adjust: 0 (65536 = 1ppm)\nmaxerror: 16000000\nesterror: 16000000\nstatus: 64 (UNSYNC)\n\
         timeconstant: 2\nprecision: 1 us\ntolerance: 32768000\ntick: 10000 us\n\
         return value: 5 (clock not synchronized)\n0\n1\n",
    )
}

fn adjtimex_trims(lab: &Lab) -> Result<()> {
    let script = "\
        adjtimex -q -f 65536; adjtimex -q -t 10001; adjtimex | grep -e freq -e tick | tr -s ' '
        adjtimex -q -f 99999999 -t 10000; adjtimex | grep -e freq -e tick | tr -s ' '
        adjtimex -q -t 20000 2>&1 | sed 's/.*: //'; adjtimex -q -f 0";
    lab.guest().sh(script)?.prints(
        "-f freq.adjust: 65536 (65536 = 1ppm)\n-t tick: 10001 us\n\
         -f freq.adjust: 32768000 (65536 = 1ppm)\n-t tick: 10000 us\nInvalid argument\n",
    )
}

/// Debian's own tool, which sets and shows the same.
fn adjtimex_of_debian(lab: &Lab) -> Result<()> {
    let script = "\
        a=/sbin/adjtimex; $a --tick 10002 --frequency 1000000 && $a --print | grep -e frequency -e tick | tr -d ' '
        $a --tick 10000 --frequency 0 --esterror 5 --maxerror 1000 --status 1 && $a --print | grep -e status -e frequency -e tick -e esterr | tr -d ' '
        $a --singleshot 400; $a --print | grep -c 'raw time'";
    lab.guest()
        .packages(&["adjtimex"])
        .sh(script)?
        .prints("frequency:1000000\ntick:10002\nfrequency:0\nesterror:5\nstatus:1\ntick:10000\n1\n")
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

/// A shell function that turns events on for the time of a command and shows in what order those of one object came.
const TRACE: &str = "\
    cd /sys/kernel/tracing
    during() { for e in $1; do echo $e >> set_event; done; echo > trace; shift; \"$@\"; echo 0 > tracing_on; }
    order() { grep -o \"[a-z_][a-z_]*: .*$1.*\" trace | sed 's/:.*//' | uniq | head -n $2 | tr '\\n' ' '; echo; }
";

/// A sleep's high-resolution timer is started, leaves its queue, and runs its function; the wheel's timers do the same.
fn timers_are_traced(lab: &Lab) -> Result<()> {
    let script = "\
        during timer sleep 0.3
        id=$(sed -n 's/^ *sleep-.*hrtimer_start: hrtimer=\\([0-9a-f]*\\) function=[^ ]*sleep.*/\\1/p' trace | tail -n 1)
        grep -c \"hrtimer_start: hrtimer=$id function=[^ ]*sleep[^ ]* expires=[0-9]* softexpires=[0-9]* mode=ABS\" trace
        order hrtimer=$id 4
        grep -q 'hrtimer_expire_entry: hrtimer=[0-9a-f]* function=[^ ]* now=[0-9]*$' trace && echo now
        echo 1 > tracing_on; during timer sleep 2.5
        id=$(sed -n 's/.* timer_expire_entry: timer=\\([0-9a-f]*\\) .*/\\1/p' trace | tail -n 1)
        grep -q \" timer_expire_entry: timer=$id function=[^ ]* now=[0-9]* baseclk=[0-9]*\" trace && echo entry
        grep -c \" timer_cancel: timer=$id\" trace | sed 's/[1-9][0-9]*/some/'
        cat events/timer/timer_start/format | grep -c 'void \\* timer;.offset:8;.size:8;.signed:0;'";
    let expected = "1\nhrtimer_start hrtimer_cancel hrtimer_expire_entry hrtimer_expire_exit \nnow\n\
        entry\nsome\n1\n";
    // The wheel has something to do each second.
    let guest = lab.guest().cpus(2).append("workqueue.watchdog_thresh=1");
    guest.sh(&format!("{TRACE}{script}"))?.prints(expected)
}

/// An item is queued, becomes active, and is run: here the one that takes dead tasks apart.
fn work_is_traced(lab: &Lab) -> Result<()> {
    let script = "\
        during workqueue sh -c '(true); (true); until grep -q execute_end trace; do sleep 0.1; done; sleep 0.5'
        id=$(sed -n 's/.*workqueue_queue_work: work struct=\\([0-9a-f]*\\) .*workqueue=events_unbound .*/\\1/p' trace | head -n 1)
        grep -o \"struct=$id function=[^ ]* workqueue=.*\" trace | head -n 1 | sed 's/.*workqueue/workqueue/'
        order \"struct[ =]$id\" 4
        name=$(sed -n \"s/.*execute_start: work struct $id: function //p\" trace | head -n 1)
        grep -c \"kworker/u.*execute_end: work struct $id: function $name\" trace | sed 's/[1-9][0-9]*/some/'
        cat events/workqueue/enable; echo '!workqueue' >> set_event; cat events/workqueue/enable";
    let expected = "workqueue=events_unbound req_cpu=8192 cpu=-1\n\
        workqueue_queue_work workqueue_activate_work workqueue_execute_start workqueue_execute_end \n\
        some\n1\n0\n";
    lab.guest().cpus(2).sh(&format!("{TRACE}{script}"))?.prints(expected)
}
