//! SysRq and what it shows, as root sees it.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("d10_sysrq_file", d10_sysrq_file),
        Case::new("d10_sysrq_shows_tasks", d10_sysrq_shows_tasks),
        Case::new("d10_sysrq_shows_the_machine", d10_sysrq_shows_the_machine),
        Case::new("d10_sysrq_log_level", d10_sysrq_log_level),
        Case::new("d10_sysrq_signals", d10_sysrq_signals),
        Case::new("d10_sysrq_ends", d10_sysrq_ends),
        Case::new("d10_panic_print", d10_panic_print),
        Case::new("d10_timer_list", d10_timer_list),
    ]
}

/// Where a task asks to hang; the image that tests run has it.
const PROVOKE: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// Presses a key, and prints what the kernel says.
const PRESS: &str =
    "press() { dmesg -c > /dev/null; echo $1 > /proc/sysrq-trigger; dmesg | sed 's/^[^]]*] //'; }";

fn d10_sysrq_file(lab: &Lab) -> Result<()> {
    // The key is the first byte; what means nothing shows the rest. The mask is not for root's file.
    let script = format!(
        "{PRESS}
        stat -c '%a %s' /proc/sysrq-trigger; cat /proc/sysrq-trigger 2>&- || echo not read
        cat /proc/sys/kernel/sysrq
        for v in 0 -1 438 2147483647 2147483648 x; do echo $v 2>&- > /proc/sys/kernel/sysrq; echo $? $(cat /proc/sys/kernel/sysrq); done 2>&-
        echo 0 > /proc/sys/kernel/sysrq; press hw; press A | grep -c 'HELP : '; press s; press ''|grep -c HELP
        su -s /bin/sh nobody -c 'echo s 2>&- > /proc/sysrq-trigger' 2>&- || echo refused"
    );
    let help = "sysrq: HELP : loglevel(0-9) reboot(b) crash(c) terminate-all-tasks(e) kill-all-tasks(i) \
        show-backtrace-all-active-cpus(l) show-memory-usage(m) nice-all-RT-tasks(n) poweroff(o) \
        show-all-timers(q) sync(s) show-task-states(t) show-blocked-tasks(w) ";
    lab.guest().sh(&script)?.prints(&format!(
        "200 0\nnot read\n1\n0 0\n0 -1\n0 438\n0 2147483647\n1 2147483647\n1 2147483647\n\
         {help}\n1\nsysrq: Emergency Sync\nEmergency Sync complete\n1\nrefused\n"
    ))
}

fn d10_sysrq_shows_tasks(lab: &Lab) -> Result<()> {
    // One that hangs, one that sleeps: both among all, the one among the blocked.
    let script = format!(
        "{PRESS}
        sh -c 'echo HUNG_TASK > {PROVOKE}' & hung=$!; sleep 1000 & asleep=$!
        state() {{ cut -d ' ' -f 3 /proc/$1/stat; }}
        until [ $(state $hung)$(state $asleep) = DS ]; do sleep 0.1; done
        press w > /tmp/w; head -n 1 /tmp/w; grep -c '^task:' /tmp/w; grep -c \"^task:sh              state:D stack:0     pid:$hung  *ppid:$$ \" /tmp/w
        grep -c -e '^Call Trace:' -e '^ <TASK>' -e '^ </TASK>' /tmp/w; grep -c 'crash::provoke' /tmp/w
        press t > /tmp/t; head -n 1 /tmp/t; for p in 1 2 $hung $asleep; do grep -c \" pid:$p  *ppid:\" /tmp/t; done
        grep -c \"^task:sh              state:R  running task     stack:0     pid:$$ \" /tmp/t; grep -c '^Showing busy workqueues' /tmp/t"
    );
    lab.guest()
        .sh(&script)?
        .prints("sysrq: Show Blocked State\n1\n1\n3\n1\nsysrq: Show State\n1\n1\n1\n1\n1\n1\n")
}

fn d10_sysrq_shows_the_machine(lab: &Lab) -> Result<()> {
    let script = format!(
        "{PRESS}
        press l > /tmp/l; head -n 1 /tmp/l; grep -c '^NMI backtrace for cpu' /tmp/l; grep -c '^Sending NMI from CPU [0-2] to CPUs ' /tmp/l
        grep -c \"^CPU: . PID: $$ Comm: sh \" /tmp/l
        press m > /tmp/m; head -n 2 /tmp/m; pages=$(awk '/pages RAM/ {{ print $1 }}' /tmp/m)
        [ $((pages * 4)) = $(awk '/^MemTotal/ {{ print $2 }}' /proc/meminfo) ] && echo total
        grep -c '^Node 0 Normal: [0-9]*\\*4kB [0-9]*\\*8kB .* = [0-9]*kB$' /tmp/m
        press q > /tmp/q; head -n 2 /tmp/q; grep -c '^cpu: ' /tmp/q"
    );
    lab.guest().cpus(3).sh(&script)?.prints(
        "sysrq: Show backtrace of all active CPUs\n3\n1\n1\nsysrq: Show Memory\nMem-Info:\ntotal\n1\n\
         sysrq: Show clockevent devices & pending hrtimers (no others)\nTimer List Version: v0.9\n3\n",
    )
}

fn d10_sysrq_log_level(lab: &Lab) -> Result<()> {
    // However quiet the console is, it shows that a key was pressed; and what comes behind it goes by the new level.
    let script = format!(
        "{PRESS}
        level() {{ cut -f 1 /proc/sys/kernel/printk; }}
        press 3; level; echo '<6>too much' > /dev/kmsg; press 1 > /dev/null; level; press 9 > /dev/null; level; echo '<6>seen' > /dev/kmsg"
    );
    let outcome = lab.guest().sh(&script)?;
    let expected = "sysrq: Changing Loglevel\nsysrq: Loglevel set to 3\n3\n1\n9\n";
    let right = outcome.output() == expected
        && outcome.log().iter().filter(|line| line.contains("sysrq: Changing Loglevel")).count()
            == 3
        && !outcome.log().iter().any(|line| line.contains("too much"));
    outcome.holds(right, "the level is another")?.logged("seen").map(drop)
}

fn d10_sysrq_signals(lab: &Lab) -> Result<()> {
    // The shell catches its signal, and its child does not.
    let script = "\
        exec 2>&-; sleep 30 & p=$!; until [ $(cut -d ' ' -f 2 /proc/$p/stat) = '(sleep)' ]; do sleep 0.1; done
        trap 'echo caught' TERM; echo e > /proc/sysrq-trigger
        wait $p; wait $p; echo $?; ps -o comm | grep -c '^kthreadd$'; echo i > /proc/sysrq-trigger; sleep 1; echo alive";
    let outcome = lab.guest().sh(script)?.status(128 + 9)?;
    let right = outcome.output() == "caught\n143\n1\n";
    outcome.holds(right, "others than it should were ended").map(drop)
}

fn d10_sysrq_ends(lab: &Lab) -> Result<()> {
    let press = |key: &str| lab.guest().sh(&format!("echo {key} > /proc/sysrq-trigger; sleep 60"));
    press("b")?.off()?.logged("sysrq: Resetting")?;
    press("o")?.off()?.logged("sysrq: Power Off")?;
    press("c")?.panic("Kernel panic - not syncing: sysrq triggered crash").map(drop)
}

fn d10_panic_print(lab: &Lab) -> Result<()> {
    const SHOWN: [&str; 4] =
        ["task:kthreadd ", "Mem-Info:", "Timer List ", "NMI backtrace for cpu "];
    let crash = |bits: u32| {
        let script = format!(
            "cd /proc/sys/kernel; stat -c %a panic_print; cat panic_print
            echo -1 2>&- > panic_print || echo {bits} > panic_print; echo c > /proc/sysrq-trigger"
        );
        let outcome = lab.guest().cpus(2).sh(&script)?;
        let outcome = outcome.panic("Kernel panic - not syncing: sysrq triggered crash")?;
        let right = outcome.output() == "644\n0\n";
        outcome.holds(right, "the setting is another")
    };
    for (bits, shown) in [(0, 0), (1, 1), (2, 2), (4, 4), (64, 8), (71, 15)] {
        let outcome = crash(bits)?;
        for (place, words) in SHOWN.into_iter().enumerate() {
            let is_there = outcome.log().iter().any(|line| line.contains(words));
            if is_there != (shown >> place & 1 != 0) {
                return outcome.wrong(&format!("{bits}: {words:?} is {is_there}"));
            }
        }
    }
    Ok(())
}

/// The tick of a CPU that works and two sleeps on one CPU are there, in the order of their times.
fn d10_timer_list(lab: &Lab) -> Result<()> {
    let script = "\
        exec 2>&-; stat -c %a /proc/timer_list; taskset 1 sleep 2000 & q=$!; taskset 1 sleep 1000 & p=$!
        for i in $p $q; do until [ \"$(cut -d ' ' -f 2,3 /proc/$i/stat)\" = '(sleep) S' ]; do sleep 0.1; done; done
        cat /proc/timer_list > /tmp/t; head -n 2 /tmp/t; grep -c '^cpu: ' /tmp/t; grep -c '^active timers:' /tmp/t; grep -c '^Per CPU device: ' /tmp/t
        grep -c '^ #0: <[0-9a-f]\\{16\\}>, .*, S:01$' /tmp/t | sed 's/[12]/some/'
        awk '/^cpu:/ { last = 0 } / # expires at/ { split($4, t, \"-\"); n++; if (t[1] < last || t[1] != t[2]) print \"order\"; last = t[1] }
            / # expires at/ && $7 > 900e9 && $7 < 2000e9 { far++ } END { print (n > 2), far + 0 }' /tmp/t
        kill $p; wait $p; awk '/ # expires at/ && $7 > 900e9 && $7 < 2000e9 { far++ } END { print far + 0 }' /proc/timer_list";
    lab.guest().cpus(2).sh(script)?.prints(
        "400\nTimer List Version: v0.9\nHRTIMER_MAX_CLOCK_BASES: 8\n2\n16\n2\nsome\n1 2\n1\n",
    )
}
