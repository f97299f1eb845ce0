//! Unmodified programs do their work.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_std_program_runs", a_std_program_runs),
        Case::new("random_bytes_are_random", random_bytes_are_random),
        Case::new("ten_megabytes_through_a_pipe", ten_megabytes_through_a_pipe),
        Case::new("dd_copies", dd_copies),
        Case::new("files_and_directories", files_and_directories),
        Case::new("find_goes_through_proc", find_goes_through_proc),
        Case::new("archives", archives),
        Case::new("text_tools", text_tools),
        Case::new("devices", devices),
        Case::new("tmpfs_mounts", tmpfs_mounts),
        Case::new("time_passes", time_passes),
        Case::new("top_shows_two_rounds", top_shows_two_rounds),
        Case::new("small_tools_of_the_system", small_tools_of_the_system),
        Case::new("killall_and_pidof", killall_and_pidof),
    ]
}

fn a_std_program_runs(lab: &Lab) -> Result<()> {
    let expected = "threads: 8000\nchannels: 499500\nhash map: 100\nfiles: 8890 bytes\n\
        time: slept\nprocesses: status 3\n";
    lab.guest().cpus(4).with(Program::Stdprog)?.run(&["stdprog"])?.prints(expected)
}

fn random_bytes_are_random(lab: &Lab) -> Result<()> {
    let script = "\
        for n in 1 2; do head -c 10m /dev/urandom | sha256sum; done > /tmp/sums
        sort -u /tmp/sums | wc -l; cut -c 65- /tmp/sums | uniq
        head -c 4096 /dev/random | gzip | wc -c";
    let outcome = lab.guest().sh(script)?.status(0)?;
    let lines: Vec<_> = outcome.output().lines().map(str::trim).collect();
    let incompressible = lines.get(2).and_then(|size| size.parse::<u32>().ok()) > Some(4096);
    let right = lines.len() == 3 && lines[..2] == ["2", "-"] && incompressible;
    outcome.holds(right, "not two different sums, or bytes that can be compressed").map(drop)
}

fn ten_megabytes_through_a_pipe(lab: &Lab) -> Result<()> {
    lab.guest()
        .sh("head -c 10m /dev/zero | cat | sha256sum")?
        .prints("e5b844cc57f57094ea4585e235f36c78c1cd222262bb89d53c94dcb4d6b3e55d  -\n")
}

fn dd_copies(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp
        dd if=/dev/urandom of=a bs=4k count=512 2> /dev/null
        dd if=a of=b bs=1000 2> /dev/null; cmp a b && echo the same
        dd if=a of=c bs=4k skip=100 count=1 2> /dev/null
        dd if=c of=d bs=4k seek=7 2> /dev/null; wc -c < d
        dd if=d bs=4k skip=7 2> /dev/null | cmp - c && echo the same part
        dd if=d bs=4k count=7 2> /dev/null | tr -d '\\0' | wc -c";
    lab.guest().sh(script)?.prints("the same\n32768\nthe same part\n0\n")
}

fn files_and_directories(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp && mkdir -p a/b/c && echo text > a/b/file && ln -s b/file a/link && ln a/b/file a/hard
        cat a/link; stat -c '%h %s %A' a/b/file; readlink a/link
        mv a/b/file a/b/c/moved; cat a/link 2> /dev/null || echo dangling
        chmod 4750 a/hard; stat -c %a a/b/c/moved; touch -d '2020-02-02 02:02:02' a/hard
        stat -c %y a/hard | cut -c 1-19; echo more >> a/hard; cat a/b/c/moved
        rmdir a/b 2> /dev/null || echo not empty; rm -r a; ls
        mkdir x; cd x; pwd; cd ..; rmdir x; mkfifo p; (echo through > p &); cat p
        : > e; truncate -s 100000 e; stat -c %s e; [ ! -e nothing ] && echo none";
    let expected = "text\n2 5 -rw-r--r--\nb/file\ndangling\n4750\n2020-02-02 02:02:02\ntext\nmore\n\
        not empty\n/tmp/x\nthrough\n100000\nnone\n";
    lab.guest().sh(script)?.prints(expected)
}

fn find_goes_through_proc(lab: &Lab) -> Result<()> {
    let script = "\
        find /proc > /tmp/list 2> /tmp/errors; wc -l < /tmp/list; grep -c '/proc/1/stat$' /tmp/list
        find /proc -maxdepth 1 -type f -name '[a-jl-z]*' ! -name 'sysrq*' > /tmp/files
        while read f; do head -c 4096 $f; done < /tmp/files > /tmp/all 2> /dev/null
        grep -c MemTotal: /tmp/all";
    let outcome = lab.guest().sh(script)?.status(0)?;
    let numbers: Vec<u32> = outcome.output().lines().filter_map(|line| line.parse().ok()).collect();
    let right = matches!(numbers[..], [files, 1, found] if files > 100 && found > 0);
    outcome.holds(right, "files are missing in /proc").map(drop)
}

fn archives(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp && mkdir d && for n in $(seq 200); do echo $n > d/$n; done
        tar c d | gzip > d.tgz && mv d old && gunzip -c d.tgz | tar x && diff -r old d && echo the same
        find d | cpio -o -H newc 2> /dev/null > d.cpio; rm -r d; cpio -i < d.cpio 2> /dev/null
        diff -r old d && echo again";
    lab.guest().sh(script)?.prints("the same\nagain\n")
}

fn text_tools(lab: &Lab) -> Result<()> {
    let script = "\
        seq 1 10000 | sort -rn | awk '{ s += $1 } END { print s, NR }'
        seq 100 | sed -n '/9$/p' | tr '\\n' ' '; echo
        printf 'b\\na\\nc\\n' | sort | xargs echo
        echo hello | md5sum; seq 5 | tail -n +4 | paste -s -d + - | bc 2> /dev/null || echo 9
        expr 6 '*' 7; date -u -d @86400 +%F; basename /a/b.c .c; seq 3 | tac | head -n 1";
    let expected = "50005000 10000\n9 19 29 39 49 59 69 79 89 99 \na b c\n\
        b1946ac92492d2347c6235b4d2611184  -\n9\n42\n1970-01-02\nb\n3\n";
    lab.guest().sh(script)?.prints(expected)
}

fn devices(lab: &Lab) -> Result<()> {
    let script = "\
        for d in null zero full random urandom console tty ttyS0 kmsg; do
            [ -c /dev/$d ] && stat -c '%n %t:%T' /dev/$d || echo no $d
        done
        cat /dev/null | wc -c; head -c 5 /dev/zero | od -An -tx1; echo x > /dev/null && echo taken
        (echo x > /dev/full) 2> /dev/null || echo full; head -c 3 /dev/full | od -An -tx1
        echo to the terminal > /dev/tty; echo hello from user land > /dev/kmsg";
    let expected = "/dev/null 1:3\n/dev/zero 1:5\n/dev/full 1:7\n/dev/random 1:8\n/dev/urandom 1:9\n\
        /dev/console 5:1\n/dev/tty 5:0\n/dev/ttyS0 4:40\n/dev/kmsg 1:b\n\
        0\n 00 00 00 00 00\ntaken\nfull\n 00 00 00\nto the terminal\n";
    let outcome = lab.guest().sh(script)?;
    let outcome = outcome.logged("hello from user land")?;
    outcome.prints(expected)
}

fn tmpfs_mounts(lab: &Lab) -> Result<()> {
    let script = "\
        mkdir -p /tmp/m && echo below > /tmp/m/f && mount -t tmpfs none /tmp/m && ls /tmp/m
        echo above > /tmp/m/f; cat /tmp/m/f; grep -c ' /tmp/m tmpfs ' /proc/mounts
        mount | grep -c ' on /tmp/m type tmpfs'; umount /tmp/m && cat /tmp/m/f
        mkdir /tmp/p && mount -t proc proc /tmp/p && cat /tmp/p/1/comm && umount /tmp/p
        mount -t nonsense none /tmp/m 2> /dev/null || echo no such type";
    lab.guest().sh(script)?.prints("above\n1\n1\nbelow\ninit\nno such type\n")
}

fn time_passes(lab: &Lab) -> Result<()> {
    let script = "\
        a=$(date +%s); b=$(cut -d . -f 1 /proc/uptime); sleep 2
        c=$(date +%s); d=$(cut -d . -f 1 /proc/uptime); echo $((c-a)) $((d-b)); [ $a -gt 1700000000 ] && echo today
        timeout 1 sleep 60; echo $?; usleep 1000 && echo slept";
    let outcome = lab.guest().sh(script)?.status(0)?;
    let slept =
        outcome.output().lines().next().is_some_and(|line| {
            line.split(' ').all(|seconds| matches!(seconds.parse(), Ok(2..=60)))
        });
    // What `timeout` says differs between versions of busybox.
    let rest = outcome.output().contains("today\n") && outcome.output().ends_with("slept\n");
    outcome.holds(slept && rest, "time does not pass as it should").map(drop)
}

fn top_shows_two_rounds(lab: &Lab) -> Result<()> {
    let outcome = lab.guest().run(&["top", "-b", "-n", "2", "-d", "1"])?.status(0)?;
    let rounds = outcome.output().matches("Mem:").count();
    let kthreadd = outcome.output().matches("[kthreadd]").count();
    outcome.holds(rounds == 2 && kthreadd == 2, "not two rounds with kthreadd in each").map(drop)
}

fn small_tools_of_the_system(lab: &Lab) -> Result<()> {
    let script = "\
        uname -s; uname -m; hostname; hostname other && hostname; cat /proc/sys/kernel/hostname
        free | grep -c '^Mem:'; uptime | grep -c 'load average'; mount | grep -c '^proc on /proc type proc'
        id -u; whoami; tty; umask; ulimit -n; [ $(getconf PAGESIZE 2> /dev/null || echo 4096) = 4096 ]
        dmesg | grep -c . > /tmp/lines; [ $(cat /tmp/lines) -ge 5 ] && echo a log; which ps";
    let outcome = lab.guest().sh(script)?.status(0)?;
    let lines: Vec<_> = outcome.output().lines().collect();
    let tty = lines.get(10).is_some_and(|tty| tty.starts_with("/dev/"));
    let right = lines.len() == 15
        && lines[..2] == ["Linux", "x86_64"]
        && lines[3..10] == ["other", "other", "1", "1", "1", "0", "root"]
        && tty
        && lines[11] == "0022"
        && lines[13..] == ["a log", "/usr/bin/ps"];
    outcome.holds(right, "a tool said something else than it should").map(drop)
}

fn killall_and_pidof(lab: &Lab) -> Result<()> {
    let script = "\
        exec 2> /dev/null
        sleep 100 & sleep 100 & sleep 100 & until [ $(pidof sleep | wc -w) = 3 ]; do sleep 0.1; done
        echo three; killall sleep && wait; pidof sleep || echo gone
        pidof kthreadd; ps -o comm | grep -c '^kthreadd$'";
    lab.guest().sh(script)?.prints("three\ngone\n2\n1\n")
}
