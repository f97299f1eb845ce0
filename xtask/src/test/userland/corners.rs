//! Corners of the system calls and of the file systems that a shell can reach.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("c6_a_program_starts_itself_in_a_new_namespace", own_program_in_a_namespace),
        Case::new("paths_that_are_too_long", paths_that_are_too_long),
        Case::new("c2_the_largest_file", the_largest_file),
        Case::new("root_opens_files_beyond_the_most", root_opens_files_beyond_the_most),
        Case::new("s04_the_last_cpu_goes", the_last_cpu_goes),
        Case::new("mount_options_that_are_unknown", mount_options_that_are_unknown),
        Case::new("s04_words_for_on_and_off", words_for_on_and_off),
        Case::new("numbers_in_settings", numbers_in_settings),
        Case::new("files_that_cannot_be_made", files_that_cannot_be_made),
    ]
}

/// Busybox starts its applets by `/proc/self/exe`, which lies on the old namespace's mount then.
fn own_program_in_a_namespace(lab: &Lab) -> Result<()> {
    let script = "\
        unshare -m true; echo $?; unshare -m readlink /proc/self/exe
        unshare -p -f --mount-proc ps -o comm";
    lab.guest().sh(script)?.prints("0\n/usr/bin/busybox\nCOMMAND\nps\n")
}

/// The C library puts the path together itself where the kernel does not.
fn paths_that_are_too_long(lab: &Lab) -> Result<()> {
    let script = "\
        name=$(printf %0250d 0); cd /tmp
        for n in $(seq 20); do mkdir $name && cd -P $name 2> /dev/null || break; done
        env pwd | wc -c; readlink /proc/self/cwd; echo $?";
    lab.guest().sh(script)?.prints("5025\n1\n")
}

fn the_largest_file(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp; too_large() { \"$@\" 2>&1 | grep -o 'File too large'; }
        (ulimit -f 1; dd if=/dev/zero of=a bs=200 count=5 2> /dev/null); echo $?; stat -c %s a
        (ulimit -f 1; echo x >> a); echo $?; stat -c %s a
        (ulimit -f 1; trap '' XFSZ; too_large dd if=/dev/zero of=b bs=1000 count=1); stat -c %s b
        (ulimit -f 1; trap '' XFSZ; truncate -s 512 c
            too_large truncate -s 513 c; too_large fallocate -l 513 c); stat -c %s c
        truncate -s 2000 d
        (ulimit -f 1; truncate -s 1000 d; echo $?; truncate -s 1001 d); echo $?
        (ulimit -f 0; seq 1000 | tail -n 1)
        truncate -s 9223372036854775807 big
        dd if=/dev/zero of=big bs=1 seek=9223372036854775807 count=1 2> /dev/null; echo $?";
    let killed = "File size limit exceeded\n153\n";
    let expected = format!(
        "{killed}512\n{killed}512\nFile too large\n512\nFile too large\nFile too large\n512\n\
        0\n{killed}1000\n1\n"
    );
    lab.guest().sh(script)?.prints(&expected)
}

fn root_opens_files_beyond_the_most(lab: &Lab) -> Result<()> {
    let script = "\
        echo 0 > /proc/sys/fs/file-max; cat /proc/sys/fs/file-max
        su -s /bin/sh nobody -c 'cat /etc/passwd' 2>&1 | tail -n 1
        echo 65536 > /proc/sys/fs/file-max; su -s /bin/sh nobody -c 'grep -c root: /etc/passwd'";
    let outcome = lab.guest().sh(script)?.status(0)?;
    let lines: Vec<_> = outcome.output().lines().collect();
    let right = lines.len() == 3
        && (lines[0], lines[2]) == ("0", "1")
        && lines[1].contains("Too many open files in system");
    outcome.holds(right, "the limit is for those without privileges").map(drop)
}

/// A task whose last CPU goes may run anywhere from then on.
fn the_last_cpu_goes(lab: &Lab) -> Result<()> {
    let script = "\
        taskset 2 sh -c 'echo 0 > /sys/devices/system/cpu/cpu1/online; taskset -p $$ | sed s/.*://
            echo 1 > /sys/devices/system/cpu/cpu1/online; taskset -p $$ | sed s/.*://'";
    let outcome = lab.guest().cpus(2).sh(script)?;
    outcome.prints(" 1\n 3\n")
}

fn mount_options_that_are_unknown(lab: &Lab) -> Result<()> {
    let script = "\
        mkdir /tmp/m; for one in proc sysfs devtmpfs devpts tmpfs cgroup2; do
            mount -t $one -o bogus=1 none /tmp/m 2> /dev/null && echo $one takes anything
            mount -t $one -o noexec none /tmp/m || echo $one is not mounted
            umount /tmp/m
        done
        for one in hidepid=2 gid=1 subset=pid; do
            mount -t proc -o $one none /tmp/m 2> /dev/null && echo proc takes $one
        done; echo done";
    lab.guest().sh(script)?.prints("done\n")
}

fn words_for_on_and_off(lab: &Lab) -> Result<()> {
    let script = "\
        cd /sys/devices/system/cpu/cpu1
        try() {
            echo \"$1\" 2> /dev/null > online && echo \"$1: $(cat online)\" || echo \"$1: refused\"
        }
        for one in 0 1 off on n y N Y OFF ON f t ' 0' 2 o x ''; do try \"$one\"; done";
    let expected = "0: 0\n1: 1\noff: 0\non: 1\nn: 0\ny: 1\nN: 0\nY: 1\n\
        OFF: 0\nON: 1\nf: 0\nt: 1\n 0: refused\n2: refused\no: refused\nx: refused\n: refused\n";
    lab.guest().cpus(2).sh(script)?.prints(expected)
}

fn numbers_in_settings(lab: &Lab) -> Result<()> {
    let script = "\
        cd /proc/sys/kernel
        set_to() { echo \"$1\" 2> /dev/null > panic; echo \"$? $(cat panic)\"; }
        set_to '5 2 3'; set_to -99999999999; set_to 9223372036854775807; set_to 2147483647
        set_to -1; set_to 0x10; set_to 4x; set_to ''; set_to 0";
    let expected = "0 5\n1 5\n1 5\n0 2147483647\n0 -1\n0 16\n1 16\n1 16\n0 0\n";
    lab.guest()
        .append("workqueue.watchdog_thresh=18446744073709551615")
        .sh(script)?
        .prints(expected)
}

fn files_that_cannot_be_made(lab: &Lab) -> Result<()> {
    let script = "\
        for one in /sys/x /proc/x /proc/1/x; do for what in mkdir touch 'ln -s a'; do
            $what $one 2>&1 | sed 's/.*: //'
        done; done
        chmod 0 /proc/version; echo $?; stat -c %a /proc/version; chmod 444 /proc/version
        cat /proc/2/oom_score; renice -n 0 -p $(pidof migration/0); echo $?";
    let expected = "Operation not permitted\nPermission denied\nOperation not permitted\n\
        No such file or directory\nNo such file or directory\nNo such file or directory\n\
        No such file or directory\nNo such file or directory\nNo such file or directory\n\
        0\n0\n0\n0\n";
    lab.guest().sh(script)?.prints(expected)
}
