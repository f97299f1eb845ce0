//! Workqueues as a user sees them: the workers that `ps` shows, and a pool that is stuck.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("w6_attributes_of_queues", attributes_of_queues),
        Case::new("w6_attributes_act", attributes_act),
        Case::new("w6_numa_of_a_queue", numa_of_a_queue),
        Case::new("w6_parameters", parameters),
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
        for i in $(seq 120); do [ $(workers) -le 3 ] && break; sleep 1; done; [ $(workers) -le 3 ] || names
        blocked() {{ names | grep -c '^kworker/0:[0-9]*+events$'; }}
        for i in $(seq 10); do
            echo BLOCKED_WORK > {PROVOKE}
            for i in $(seq 100); do most=$(workers); busy=$(blocked); [ $most -ge 9 ] && [ $busy = 8 ] && break 2; done
        done
        [ $most -ge 9 ] && echo grown; echo $busy
        for i in $(seq 120); do [ $(workers) -le 3 ] && break; sleep 1; done
        [ $(workers) -le 3 ] && echo fallen"
    );
    let outcome = lab.guest().cpus(2).append("workqueue.idle_timeout=1").sh(&script)?;
    let right = outcome.output() == "grown\n8\nfallen\n";
    outcome.holds(right, "not as many workers as there is blocked work").map(drop)
}

fn w4_a_stuck_pool_is_reported(lab: &Lab) -> Result<()> {
    let script = format!(
        "echo WORKQUEUE_LOCKUP > {PROVOKE}
        for i in $(seq 300); do dmesg | grep -q 'pool 0: .* idle:' && break; sleep 0.2; done
        dmesg | sed 's/^[^]]*] //' | grep -A 20 lockup | grep -v '^  *pwq [^0]' | sed \
            -e 's/stuck for [0-9]*s/stuck/' -e 's/in-flight: [0-9]*:/in-flight: /' \
            -e 's/hung=[1-9][0-9]*s workers=[0-9]* idle:.*/hung/'"
    );
    let outcome = lab.guest().cpus(1).append("workqueue.watchdog_thresh=1").sh(&script)?;
    let wanted = [
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck!",
        "Showing busy workqueues and worker pools:",
        "workqueue events: flags=0x0",
        "  pwq 0: cpus=0 node=0 flags=0x0 nice=0 active=2/256 refcnt=3",
        "    in-flight: hog",
        "    pending: behind",
        "pool 0: cpus=0 node=0 flags=0x0 nice=0 hung",
    ];
    let right = wanted.iter().all(|line| outcome.output().lines().any(|seen| seen == *line));
    outcome.holds(right, "not the report that tools read").map(drop)
}

fn w5_names_of_workers(lab: &Lab) -> Result<()> {
    // Each kind of worker of a machine with two CPUs, in `ps`, too; the queue behind one that works, in all three files, and behind
    // one that has worked; nothing in the command line; the nice value of high priority; none of the threads that workers replace.
    let script = format!(
        "{NAMES}; for kind in 0:0 0:0H 1:0 1:0H u4:0; do
            names | grep -q \"^kworker/$kind\\([-+].*\\)*$\" || echo \"no $kind\"
            ps -o args | grep -q \"^.kworker/$kind\" || echo \"no $kind in ps\"
        done
        names | grep -q '^kworker/u4:[0-9]*[-+]events_unbound$' || echo 'no unbound queue'
        works() {{ cd /proc; grep -l '^kworker/0:.*+events$' [0-9]*/comm | head -n 1; }}
        for i in $(seq 10); do
            echo BLOCKED_WORK > {PROVOKE}
            for i in $(seq 100); do pid=$(works); [ -n \"$pid\" ] && break; done; pid=${{pid%/comm}}
            (cd /proc/$pid; cat comm stat status) > /tmp/shown
            [ $(grep -c 'kworker/0:[0-9]*+events\\()\\|$\\)' /tmp/shown) = 3 ] && echo three files && break
        done
        wc -c < /proc/$pid/cmdline
        pid=$(cd /proc; grep -l '^kworker/0:0H' [0-9]*/comm)
        cut -d ' ' -f 4,19 /proc/${{pid%/comm}}/stat; names | grep -c -e kreaper -e kttyd"
    );
    let outcome = lab.guest().cpus(2).sh(&script)?;
    let right = outcome.output() == "three files\n0\n2 -20\n0\n";
    outcome.holds(right, "workers are not named as on Linux").map(drop)
}

/// The queue that is shown on this kernel, or the one that Linux shows.
const SHOWN: &str = "\
    cd /sys/devices/virtual/workqueue; q=lkdtm_unbound; [ -d $q ] || q=writeback
    put() { echo \"$2\" 2>&- > $1; echo $? $(cat $1); }
    ";

fn attributes_of_queues(lab: &Lab) -> Result<()> {
    let script = format!(
        "{SHOWN}
        stat -c '%a %n' cpumask; cat cpumask
        put cpumask 2; put cpumask 0; put cpumask x; put cpumask 3; put cpumask 00000001; put cpumask 3
        cd $q; stat -c '%a %n' per_cpu max_active pool_ids; cat per_cpu cpumask numa
        grep -c '^0:[0-9]*$' pool_ids; grep -c '^-*[0-9]*$' nice
        put max_active 5; put max_active 0; put max_active -1; put max_active x; put max_active 100000; put max_active 256
        stat -c '%a %n' nice cpumask uevent; before=$(cat pool_ids)
        put nice 5; put nice 20; put nice -21; put nice x; [ \"$(cat pool_ids)\" = \"$before\" ] || echo other pools
        put cpumask 2; put cpumask 0; put cpumask x; put cpumask 3; put nice 0
        readlink subsystem; readlink /sys/bus/workqueue/devices/$q | sed s/$q/Q/; cat uevent; sleep 0.2"
    );
    lab.guest().cpus(2).sh(&script)?.prints(
        "644 cpumask\n3\n0 2\n1 2\n1 2\n0 3\n0 1\n0 3\n\
         444 per_cpu\n644 max_active\n444 pool_ids\n0\n3\n1\n1\n1\n\
         0 5\n1 5\n1 5\n1 5\n0 512\n0 256\n\
         644 nice\n644 cpumask\n644 uevent\n0 5\n1 5\n1 5\n1 5\nother pools\n\
         0 2\n0 0\n1 0\n0 3\n0 0\n\
         ../../../../bus/workqueue\n../../../devices/virtual/workqueue/Q\n",
    )
}

fn attributes_act(lab: &Lab) -> Result<()> {
    let script = format!(
        "{SHOWN}
        ls -1; ls -1 lkdtm; cat lkdtm/per_cpu lkdtm/max_active lkdtm_unbound/max_active lkdtm_unbound/nice
        for n in 3 1; do
            echo $n > lkdtm/max_active
            for i in $(seq 20); do
                echo WORKQUEUE_ACTIVE > {PROVOKE}; said=$(dmesg | grep -o '[0-9]* of 8 items.*' | tail -n 1)
                [ ${{said%% *}} -ge $n ] && break
            done; echo $said
        done
        # What is not as it should be becomes so, when the workers of before have gone.
        soon() {{ for i in $(seq 300); do [ \"$($1)\" = \"$2 \" ] && break; sleep 0.1; done; $1; }}
        where() {{ for p in $(ps -o pid,comm | awk '$2 ~ /^kworker\\/u/ {{ print $1 }}'); do
            grep Cpus_allowed_list /proc/$p/status 2>&-; done | sort -u | cut -f 2 | tr '\\n' ' '; echo; }}
        soon where 0-1; echo 2 > cpumask; soon where 1; echo 3 > cpumask; soon where 0-1
        nices() {{ for p in $(ps -o pid,comm | awk '$2 ~ /^kworker\\/u/ {{ print $1 }}'); do
            cut -d ' ' -f 19 /proc/$p/stat 2>&-; done | sort -n | uniq | tr '\\n' ' '; echo; }}
        cd lkdtm_unbound; soon nices '-20 0'; echo 5 > nice; echo 1 > cpumask; soon nices '0 5'; soon where '0 0-1'
        echo -20 > nice; echo 3 > cpumask; soon nices '-20 0'"
    );
    lab.guest().cpus(2).sh(&script)?.prints(
        "cpumask\nlkdtm\nlkdtm_unbound\nuevent\nmax_active\nper_cpu\nsubsystem\nuevent\n1\n256\n7\n-20\n\
         3 of 8 items were active at once\n1 of 8 items were active at once\n\
         0-1 \n1 \n0-1 \n-20 0 \n0 5 \n0 0-1 \n-20 0 \n",
    )
}

/// For each node, whether the pool there is that of node 0; and where workers of unbound pools may be.
const NODES: &str = "\
    pools() { tr ' ' '\\n' < /sys/devices/virtual/workqueue/lkdtm_unbound/pool_ids | awk -F: 'NR == 1 { first = $2 } { print $1, ($2 == first) }' | tr '\\n' ' '; echo; }
    where() { for p in $(ps -o pid,comm | awk '$2 ~ /^kworker\\/u/ { print $1 }'); do
        grep Cpus_allowed_list /proc/$p/status; done | sort -u | cut -f 2 | tr '\\n' ' '; echo; }
    ";

fn numa_of_a_queue(lab: &Lab) -> Result<()> {
    let script = format!(
        "{SHOWN} {NODES}
        cd $q; stat -c %a numa; cat numa; pools; where; put numa 0; pools; where; put numa x; put numa 7; pools; where"
    );
    let guest = || lab.guest().nodes(2).cpus(4);
    guest().sh(&script)?.prints(
        "644\n1\n0 1 1 0 \n0-1 2-3 \n0 0\n0 1 1 1 \n0-1 0-3 2-3 \n1 0\n0 1\n0 1 1 0 \n0-1 2-3 \n",
    )?;
    let script = format!("{NODES} cat /sys/module/workqueue/parameters/disable_numa; pools; where");
    let guest = guest().append("workqueue.disable_numa");
    guest.sh(&script)?.prints("Y\n0 1 1 1 \n0-3 \n")
}

fn parameters(lab: &Lab) -> Result<()> {
    let script = format!(
        "put() {{ echo \"$2\" 2>&- > $1; echo $? $(cat $1); }}
        cd /sys/module/workqueue/parameters; stat -c '%a %n' *; grep . *
        put debug_force_rr_cpu Y; put debug_force_rr_cpu 0; put debug_force_rr_cpu z; put watchdog_thresh 5; put watchdog_thresh x
        put watchdog_thresh 1; echo WORKQUEUE_LOCKUP > {PROVOKE}
        for i in $(seq 300); do dmesg | grep -q 'BUG: workqueue lockup' && break; sleep 0.1; done; dmesg | grep -c -m 1 'BUG: workqueue lockup'"
    );
    let guest = lab.guest().append("workqueue.power_efficient workqueue.debug_force_rr_cpu=0");
    let outcome = guest.sh(&script)?;
    let right = outcome.output()
        == "644 debug_force_rr_cpu\n444 disable_numa\n444 power_efficient\n644 watchdog_thresh\n\
            debug_force_rr_cpu:N\ndisable_numa:N\npower_efficient:Y\nwatchdog_thresh:30\n\
            0 Y\n0 N\n1 N\n0 5\n1 5\n0 1\n1\n";
    outcome.holds(right, "the parameters are others")?.logged("BUG: workqueue lockup").map(drop)
}
