//! Programs from Debian 12, dynamically linked and as they are in the archive.
//!
//! What a program leaves behind is part of each test: [`CENSUS`] counts before and after.

use super::Case;
use crate::test::guest::lab::{Guest, Lab, Outcome};
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("c7_stress_ng", stress_ng),
        Case::new("c7_python", python),
        Case::new("c7_rt_tests", rt_tests),
        Case::new("c7_procps", procps),
        Case::new("c7_util_linux", util_linux),
        Case::new("c7_bash_and_coreutils", bash_and_coreutils),
        Case::new("b5_ps_shows_the_family", ps_shows_the_family),
        Case::new("b5_columns_are_as_on_linux", columns_are_as_on_linux),
    ]
}

/// Shell functions: `census` counts what a program could leave behind, and `left` compares. Processes, open files and
/// semaphores are back at once; memory is as soon as the last exited task is off its CPU, and but for caches. What is still there after half a minute
/// is left.
const CENSUS: &str = "\
    census() {
        set -- $(cat /proc/sys/fs/file-nr)
        grep -l . /proc/[0-9]*/cmdline > /tmp/census
        echo $(wc -l < /tmp/census) $1 $(awk '/^MemFree/ { print $2 }' /proc/meminfo)
    }
    left() {
        for i in $(seq 100); do
            sleep 0.3; set -- $before $(census)
            [ $4 -le $1 ] && [ $5 -le $2 ] && [ $(($3 - $6)) -lt 6000 ] && { echo nothing left; return; }
        done
        echo left behind: $*
    }
    ";

/// Runs a script twice between two counts: the first time fills caches.
pub(super) fn run_counted<'a>(guest: Guest<'a>, script: &str) -> Result<Outcome<'a>> {
    let whole = format!(
        "exec 2> /dev/null\n{CENSUS}\nwork() {{\n{script}\n}}\nwork > /tmp/first; before=$(census); work; left"
    );
    guest.run(&["sh", "-c", &whole])
}

fn procps(lab: &Lab) -> Result<()> {
    let script = "\
        ps -efL | grep -c ' \\[kthreadd\\]$'; pgrep -x kthreadd; pstree | grep -o '^init'
        free | grep -c ^Mem:; vmstat 1 2 | wc -l; top -b -n 1 | grep -c ' kthreadd$'; uptime | grep -c load
        slabtop -o | grep -c 'OBJS'; pmap $$ | grep -c '^ total '; pwdx $$ | cut -d ' ' -f 2
        sleep 60 & until pkill -x sleep; do sleep 0.1; done; wait; w -h | wc -l; sysctl -n kernel.ostype";
    let outcome = run_counted(lab.guest().packages(&["procps", "psmisc"]), script)?;
    outcome.prints("1\n2\ninit\n1\n4\n1\n1\n1\n1\n/\n0\nLinux\nnothing left\n")
}

fn util_linux(lab: &Lab) -> Result<()> {
    let script = "\
        taskset 2 taskset -p $$ | grep -o 'mask: .*'; taskset 2 sh -c 'taskset -p $$' | grep -o 'mask: .*'
        chrt -f 10 sh -c 'chrt -p $$' | cut -d : -f 2; setsid -w sh -c 'ps -o sid= -p $$ | grep -q $$ && echo leads'
        (flock -n 9 || exit; flock -n /tmp/lock echo not locked; echo locked) 9> /tmp/lock
        unshare --pid --fork sh -c 'echo $$'; unshare --pid --fork --mount-proc ps -e | wc -l
        unshare -u sh -c 'hostname other; hostname'; hostname
        unshare --pid --fork sleep 60 & until child=$(pgrep -x sleep); do sleep 0.1; done
        nsenter -t $child -p sh -c 'echo $$'; kill -9 $child; wait
        unshare -m sh -c 'mount -t tmpfs none /mnt; touch /mnt/in; ls /mnt'; ls /mnt
        lsns -n -t pid | wc -l; setpriv --no-new-privs grep NoNewPrivs /proc/self/status | cut -f 2
        lscpu | grep -c Architecture; findmnt -n -o FSTYPE /proc; getopt -o a -- -a b";
    let outcome = run_counted(lab.guest().packages(&["util-linux", "procps"]), script)?;
    let expected = "mask: 3\nmask: 2\n SCHED_FIFO\n 10\nleads\nlocked\n1\n2\nother\n(none)\n2\nin\n\
        1\n1\n1\nproc\n -a -- 'b'\nnothing left\n";
    outcome.prints(expected)
}

fn bash_and_coreutils(lab: &Lab) -> Result<()> {
    let script = "\
        bash -c 'set -m; sleep 60 & jobs; kill %1; wait %1; echo $?; (exit 3) & wait $!; echo $?
            coproc cat; echo through >&${COPROC[1]}; read -u ${COPROC[0]} line; echo $line; kill $COPROC_PID
            diff <(seq 3) <(seq 3) && echo same; x=(a b c); echo ${#x[@]} ${x[-1]}; trap \"echo trapped\" USR1
            kill -USR1 $$; mapfile -t y < <(printf \"1\\n2\\n\"); echo ${y[1]}; echo $((16#ff)); ulimit -n'
        cd /tmp; rm -rf w; mkdir w; cd w; seq 1000 | split -l 100 -; ls | wc -l; cat x* | sort -rn | head -n 1
        cp -a . ../copy; rm -r ../copy; stat -c %s xaa; date -d @0 -u +%F; nproc; sha256sum xaa | cut -c 1-8
        timeout 0.2 sleep 5; echo $?; truncate -s 1M big; du -k --apparent-size big | cut -f 1; tac xaa | head -n 1
        ln -s xaa l; readlink -f l; mktemp -u | grep -c /tmp; install -m 600 xaa i; stat -c %a i; df . | wc -l
        mkfifo p; echo fifo > p & cat p; od -An -tx1 -N 2 xaa; env -i x=1 env; nice -n 5 nice; wait; cd /; rm -r /tmp/w";
    let outcome = run_counted(lab.guest().packages(&["bash", "coreutils"]), script)?;
    let expected = "[1]+  Running                 sleep 60 &\n143\n3\nthrough\nsame\n3 c\ntrapped\n2\n255\n1024\n\
        10\n1000\n292\n1970-01-01\n2\n93d4e5c7\n124\n1024\n100\n/tmp/w/xaa\n1\n600\n2\nfifo\n 31 0a\nx=1\n5\n\
        nothing left\n";
    outcome.prints(expected)
}

fn python(lab: &Lab) -> Result<()> {
    const SOCKETS: &str = include_str!("scripts/sockets.py");
    const PROCESSES: &str = include_str!("scripts/processes.py");
    const CALLS: &str = include_str!("scripts/calls.py");
    const NETLINK: &str = include_str!("scripts/netlink.py");
    let script = "\
        rm -f /tmp/d /tmp/echo
        python3 -c \"$SOCKETS\" && python3 -c \"$PROCESSES\" && python3 -c \"$CALLS\" && python3 -c \"$NETLINK\"";
    let scripts =
        [("SOCKETS", SOCKETS), ("PROCESSES", PROCESSES), ("CALLS", CALLS), ("NETLINK", NETLINK)];
    let definitions = scripts.map(|(name, text)| format!("{name}='{}'\n", quoted(text)));
    let whole = format!("{}{script}", definitions.concat());
    let outcome = run_counted(lab.guest().packages(&["python3"]), &whole)?;
    outcome.prints("sockets\nprocesses\ncalls\nnetlink\nnothing left\n")
}

/// A text as it stands between single quotes of the shell.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn rt_tests(lab: &Lab) -> Result<()> {
    let script = "\
        for way in '-g 1 -l 20' '-p -g 1 -l 20' '-T -g 1 -l 20' '-T -p -g 1 -l 20'; do
            hackbench $way | grep -c ^Time:
        done
        cyclictest -q -l 400 -t 2 -p 80 -i 2000 | sed -n 's/^T:.* C: *\\([0-9]*\\) .*/\\1/p' | sort -n | tail -n 1";
    // When one thread has done its loops, the other one stops where it is.
    let outcome = run_counted(lab.guest().packages(&["rt-tests"]), script)?;
    outcome.prints("1\n1\n1\n1\n400\nnothing left\n")
}

fn stress_ng(lab: &Lab) -> Result<()> {
    // Each for a second. What finds more in ten is run by hand: docs/testing.md has the line.
    let script = "\
        work() { stress-ng --$1 2 -t 1 --verify > /tmp/said 2>&1 || { echo $1; cat /tmp/said; }; }
        work pthread; before=$(census)
        for one in fork vfork clone futex sigq pthread sem-sysv msg mq shm-sysv inotify tee netlink-proc netlink-task; do work $one; done; left";
    let guest = lab.guest().packages(&["stress-ng"]).memory(512);
    let outcome = guest.run(&["sh", "-c", &format!("{CENSUS}\n{script}")])?;
    outcome.prints("nothing left\n")
}

fn ps_shows_the_family(lab: &Lab) -> Result<()> {
    const LOOK: &str = "\
        for i in 1 2 3 4 5 6 7 8 9 10; do ps -eo pid,ppid,cls,rtprio,ni,psr,stat,wchan:20,command; echo; sleep 0.2; done";
    let outcome = lab.guest().packages(&["procps"]).sh(LOOK)?.status(0)?;
    let expected = [
        ["1", "0", "TS", "-", "0", "0|1", "S", "wait::wait_for_child|do_wait", "/init"],
        ["2", "0", "TS", "-", "0", "0|1", "S", "kthread::kthreadd|kthreadd", "[kthreadd]"],
        ["3", "2", "FF", "99", "-", "0", "S", "smpboot::live|smpboot_thread_fn", "[migration/0]"],
    ];
    let fits = |row: &Vec<&str>, wanted: &[&str; 9]| {
        row.len() == wanted.len()
            && row
                .iter()
                .zip(wanted)
                .all(|(word, wanted)| wanted.split('|').any(|one| one == *word))
    };
    // At one of the looks nobody of them has something to do.
    let family = outcome.output().split("\n\n").any(|look| {
        let rows: Vec<Vec<_>> =
            look.lines().map(|line| line.split_whitespace().collect()).collect();
        expected.iter().all(|wanted| rows.iter().any(|row| fits(row, wanted)))
    });
    outcome.holds(family, "PID 1, kthreadd and migration/0 are not as on Linux").map(drop)
}

/// Each column of `ps` for the threads that Linux has too, with N for a number and the CPU as the thread's own or any;
/// and what `/proc` says of two of them. Debian's own kernel passes this test (`--kernel`), which is why workers of
/// unbound pools with high priority are passed over: whether there is one depends on who asks for it. Who has something to do just then is looked at
/// again.
fn columns_are_as_on_linux(lab: &Lab) -> Result<()> {
    let script = "\
        look() { ps --no-headers -eo ppid,cls,rtprio,ni,psr,stat,command > /tmp/list
        awk '$7 ~ /^.(kthreadd|migration|cpuhp|ksoftirqd|khungtaskd|kworker)/ && !($7 ~ /kworker.u/ && $4 < 0) {
            own = match($7, /\\/[0-9]+/) && substr($7, RSTART + 1, RLENGTH - 1) == $5 ? \"own\" : \"any\"
            gsub(/[0-9]+/, \"N\", $7); sub(/[-+].*]/, \"]\", $7); print $1, $2, $3, $4, own, $6, $7
        }' /tmp/list | sort -u
        for name in kthreadd migration/1; do
            cd /proc/$(pgrep -x $name); cut -d ' ' -f 3-9,18-20,38,40,41 stat; grep -E '^(Groups|Cpus_a|Sig[IC])' status
        done; }
        for i in $(seq 60); do sleep 0.5; look > /tmp/seen; [ \"$(cat /tmp/seen)\" = \"$EXPECTED\" ] && break; done; cat /tmp/seen";
    let guest = lab.guest().cpus(2).packages(&["procps"]);
    let expected = "\
        0 TS - 0 any S [kthreadd]\n\
        2 FF 99 - own S [migration/N]\n\
        2 TS - -20 own I< [kworker/N:NH]\n\
        2 TS - 0 any I [kworker/uN:N]\n\
        2 TS - 0 any S [khungtaskd]\n\
        2 TS - 0 own I [kworker/N:N]\n\
        2 TS - 0 own S [cpuhp/N]\n\
        2 TS - 0 own S [ksoftirqd/N]\n\
        S 0 0 0 0 -1 2129984 20 0 1 0 0 0\n\
        Groups:\t \nSigIgn:\tffffffffffffffff\nSigCgt:\t0000000000000000\n\
        Cpus_allowed:\t3\nCpus_allowed_list:\t0-1\n\
        S 2 0 0 0 -1 69238848 -100 0 1 17 99 1\n\
        Groups:\t \nSigIgn:\tffffffffffffffff\nSigCgt:\t0000000000000000\n\
        Cpus_allowed:\t2\nCpus_allowed_list:\t1\n";
    guest.sh(&format!("EXPECTED='{}'\n{script}", expected.trim_end()))?.prints(expected)
}
