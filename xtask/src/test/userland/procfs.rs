//! What `/proc` says.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("files_of_the_system_are_there", files_of_the_system_are_there),
        Case::new("files_of_a_process_are_there", files_of_a_process_are_there),
        Case::new("stat_has_all_fields", stat_has_all_fields),
        Case::new("self_is_the_reader", self_is_the_reader),
        Case::new("links_of_a_process", links_of_a_process),
        Case::new("maps_shows_the_program", maps_shows_the_program),
        Case::new("sys_kernel", sys_kernel),
        Case::new("c7_threads_max_is_a_limit", threads_max_is_a_limit),
        Case::new("cpu_time_is_counted", cpu_time_is_counted),
        Case::new("interrupts_are_counted", interrupts_are_counted),
        Case::new("s8_wchan_says_where_a_task_sleeps", wchan_says_where_a_task_sleeps),
    ]
}

fn files_of_the_system_are_there(lab: &Lab) -> Result<()> {
    let script = "\
        for f in stat meminfo uptime loadavg version cpuinfo mounts cmdline interrupts filesystems; do
            [ $(wc -c < /proc/$f) -gt 0 ] || echo empty: $f
        done
        grep -c '^MemFree:' /proc/meminfo; grep -c '^btime ' /proc/stat; grep -c '^processes ' /proc/stat
        wc -w < /proc/loadavg; grep -c panic=-1 /proc/cmdline; cut -d ' ' -f 1,2 /proc/version
        grep -c '\ttmpfs$' /proc/filesystems; [ -L /proc/mounts ] && echo a link";
    lab.guest().sh(script)?.prints("1\n1\n1\n5\n1\nLinux version\n1\na link\n")
}

fn files_of_a_process_are_there(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/1; for f in stat status statm cmdline comm maps fd exe cwd root; do
            [ -e $f ] || echo missing: $f
        done; cat /proc/self/cmdline | tr '\\0' '|'; echo; cat comm
        # On its way to wait for this shell it may still run.
        for i in $(seq 300); do grep -q '^State:.S' status && break; sleep 0.1; done
        grep -E '^(Name|State|Pid|PPid|Tgid|Threads|Uid):' status | cut -f 1-2";
    let outcome = lab.guest().sh(script)?;
    outcome.prints(
        "cat|/proc/self/cmdline|\ninit\nName:\tinit\nState:\tS (sleeping)\nTgid:\t1\nPid:\t1\nPPid:\t0\n\
         Uid:\t0\nThreads:\t1\n",
    )
}

fn stat_has_all_fields(lab: &Lab) -> Result<()> {
    // After the name: state, parent, group, session and so on; 52 fields in all.
    let script = "\
        for p in 1 2 self; do wc -w < /proc/$p/stat; done
        for i in $(seq 300); do grep -q ') S ' /proc/2/stat && break; sleep 0.1; done
        cut -d ' ' -f 2-8 /proc/2/stat; cut -d ' ' -f 18-20 /proc/1/stat";
    lab.guest().sh(script)?.prints("52\n52\n52\n(kthreadd) S 0 0 0 0 -1\n20 0 1\n")
}

fn self_is_the_reader(lab: &Lab) -> Result<()> {
    let script = "\
        sh -c 'echo $$; readlink /proc/self; true' | { read a; read b; [ $b -gt $a ] && echo later; }
        exec readlink /proc/self > /tmp/a &
        wait; [ $(cat /tmp/a) = $! ] && echo right; ls -d /proc/self/. /proc/thread-self/ | wc -l";
    lab.guest().sh(script)?.prints("later\nright\n2\n")
}

fn links_of_a_process(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp; sleep 60 < /dev/null > /tmp/out & cd /proc/$!; until grep -qx sleep comm; do :; done
        for link in exe cwd root fd/0 fd/1; do readlink $link; done; kill $!";
    lab.guest().sh(script)?.prints("/usr/bin/busybox\n/tmp\n/\n/dev/null\n/tmp/out\n")
}

fn maps_shows_the_program(lab: &Lab) -> Result<()> {
    let script = "\
        grep -c busybox /proc/self/maps > /tmp/n; [ $(cat /tmp/n) -ge 3 ] && echo parts
        grep -c '\\[stack\\]' /proc/self/maps; grep -c '\\[heap\\]' /proc/self/maps
        awk '$2 ~ /w/ && $2 ~ /x/' /proc/self/maps | wc -l";
    lab.guest().sh(script)?.prints("parts\n1\n1\n0\n")
}

fn sys_kernel(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/sys/kernel; cat ostype; [ $(cat osrelease) = $(uname -r) ] && echo release
        [ $(cat pid_max) -ge 32768 ] && echo pids; echo name > hostname; uname -n";
    lab.guest().sh(script)?.prints("Linux\nrelease\npids\nname\n")
}

/// Beyond it there is EAGAIN for whoever asks; what there is stays.
fn threads_max_is_a_limit(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/sys/kernel; stat -c %a threads-max; old=$(cat threads-max)
        for v in 0 1073741824 -1 x; do echo $v 2>&- > threads-max && echo takes $v; done 2>&-
        echo 1073741823 > threads-max; cat threads-max; echo $old > threads-max; [ $(cat threads-max) = $old ] && echo back
        exec 2>&1; echo 1 > threads-max; read now < threads-max; echo $now; (echo a child); echo goes on";
    let outcome = lab.guest().sh(script)?.status(2)?;
    let refused = "sh: can't fork: Resource temporarily unavailable\n";
    let right = outcome.output() == format!("644\n1073741823\nback\n1\n{refused}");
    outcome.holds(right, "it is no limit").map(drop)
}

/// Hundredths of a second without the zeros in front: a shell would read 0.09 as an octal number. The system's times are counted by ticks,
/// and a host that holds the CPU up takes some of them away: so it runs until there were enough.
fn cpu_time_is_counted(lab: &Lab) -> Result<()> {
    let script = "\
        up() { cut -d ' ' -f 1 /proc/uptime | tr -d . | sed 's/^0*//'; }
        used() { awk '/^cpu / { print $2 + $4 }' /proc/stat; }
        a=$(up); before=$(used); (while :; do :; done) &
        for i in $(seq 300); do
            sleep 0.2; t=$(cut -d ' ' -f 14 /proc/$!/stat); [ $t -ge 50 ] && [ $(($(used) - before)) -ge 50 ] && break
        done; b=$(up); kill $!
        [ $t -ge 50 ] && [ $t -le $((b - a + 1)) ] && echo user || echo $t of $((b - a))
        [ $(($(used) - before)) -ge 50 ] && echo counted; awk '/^cpu / { print ($5 > 0) }' /proc/stat";
    lab.guest().sh(script)?.prints("user\ncounted\n1\n")
}

fn interrupts_are_counted(lab: &Lab) -> Result<()> {
    let script = "\
        count() { awk '/LOC:/ { print $2 + $3 }' /proc/interrupts; }
        a=$(count); sleep 1; b=$(count); [ $b -gt $a ] && echo timer
        head -n 1 /proc/interrupts | grep -c 'CPU0 *CPU1'";
    lab.guest().sh(script)?.prints("timer\n1\n")
}

/// By the names of our own functions; for others than its user, 0.
fn wchan_says_where_a_task_sleeps(lab: &Lab) -> Result<()> {
    let script = "\
        mkfifo /tmp/p; sleep 60 > /tmp/p & writer=$!; cat /tmp/p & reader=$!; sh -c 'sleep 60; true' & parent=$!
        there() { for i in $(seq 300); do [ \"$(cat /proc/$1/wchan)\" = $2 ] && break; sleep 0.1; done; }
        there $writer sleep::sleep_until; there $reader pipe::read; there $parent wait::wait_for_child
        there 2 kthread::kthreadd; for p in $writer $reader $parent 2 self; do cat /proc/$p/wchan; echo; done
        for name in migration/1 ksoftirqd/0 khungtaskd; do
            p=$(grep -lx $name /proc/[0-9]*/comm 2> /dev/null); p=${p#/proc/}; p=${p%/comm}
            [ $name = khungtaskd ] && there $p hung_task::watch || there $p smpboot::live; echo $name $(cat /proc/$p/wchan)
        done
        sed 's/0x[0-9a-f]*/N/g' /proc/$reader/stack | head -n 1
        sed -n 's/^.<0>. user_loop::run+0x[0-9a-f]*.0x[0-9a-f]*$/user_loop::run/p' /proc/$reader/stack
        su -s /bin/sh nobody -c \"cat /proc/$writer/wchan\"; echo; kill $writer $parent";
    let outcome = lab.guest().cpus(2).sh(script)?;
    outcome.prints(
        "sleep::sleep_until\npipe::read\nwait::wait_for_child\nkthread::kthreadd\n0\n\
         migration/1 smpboot::live\nksoftirqd/0 smpboot::live\nkhungtaskd hung_task::watch\n\
         [<0>] pipe::read+N/N\nuser_loop::run\n0\n",
    )
}
