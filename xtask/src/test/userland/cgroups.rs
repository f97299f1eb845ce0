//! Control groups, as a person at a shell uses them.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("k15_kernel_threads_stay_in_the_root", kernel_threads_stay_in_the_root),
        Case::new("k15_a_shell_and_its_group", a_shell_and_its_group),
        Case::new("k15_groups_come_and_go_under_load", groups_come_and_go_under_load),
        Case::new("k15_groups_are_given_away", groups_are_given_away),
        Case::new("c2_clone_into_cgroup", clone_into_cgroup),
    ]
}

/// What each script begins with: the guest's PID 1 has mounted it.
const THERE: &str = "cd /sys/fs/cgroup || exit 9\n";

fn kernel_threads_stay_in_the_root(lab: &Lab) -> Result<()> {
    let script = "\
        mkdir g; pid() { grep -lx $1 /proc/[0-9]*/comm 2> /dev/null | cut -d / -f 3; }
        for name in kthreadd migration/0 ksoftirqd/0 cpuhp/1; do
            (echo $(pid $name) > g/cgroup.procs) 2> /dev/null || echo $name stays
        done
        echo 2 > g/cgroup.procs; echo 999999 > g/cgroup.procs; echo x > g/cgroup.procs
        cat /proc/2/cgroup; wc -c < g/cgroup.procs
        # One that nobody has bound may go, and what is made after that is in the root.
        task=$(pid khungtaskd); echo $task > g/cgroup.procs; cat /proc/$task/cgroup
        cat g/cgroup.events; echo 1 > g/cgroup.kill; [ -d /proc/$task ] && echo lives
        rmdir g; echo $task > cgroup.procs; rmdir g && cat /proc/$task/cgroup
        cat /proc/[0-9]*/cgroup 2>&- | sort -u";
    let outcome = lab.guest().cpus(2).sh(&format!("exec 2>&1; {THERE}{script}"))?;
    outcome.prints(
        "kthreadd stays\nmigration/0 stays\nksoftirqd/0 stays\ncpuhp/1 stays\n\
         sh: write error: Invalid argument\nsh: write error: No such process\n\
         sh: write error: Invalid argument\n0::/\n0\n0::/g\npopulated 1\nfrozen 0\nlives\n\
         rmdir: 'g': Device or resource busy\n0::/\n0::/\n",
    )
}

fn a_shell_and_its_group(lab: &Lab) -> Result<()> {
    // Of the files those that every kernel with cgroup v2 has, and of the rest of a removed group what does not depend on when
    // its memory goes.
    let script = "\
        mount -t cgroup2 none /mnt; cd /mnt; stat -f -c %t .; grep cgroup2 /proc/filesystems /proc/mounts
        head -n 1 /proc/cgroups; files() { ls -1 $1 | grep '^cgroup[.]' | grep -v -e freeze -e pressure; }
        files .; mkdir -p a/b; ls -d a/b; files a; cat a/cgroup.type
        echo +none > cgroup.subtree_control; echo > a/file; mkdir a/cgroup.procs; mv a c; mkdir 'a/x
y'
        echo $$ > a/b/cgroup.procs; cat /proc/self/cgroup; cat a/cgroup.events
        [ \"$(head -n 1 a/b/cgroup.procs)\" = $$ ] && cat cgroup.stat
        sleep 60 & [ \"$(grep -x $! a/b/cgroup.threads)\" = $! ] && echo inherited
        rmdir a/b; rmdir a; echo 0 > cgroup.procs; echo 2 > a/cgroup.kill; echo 1 > a/cgroup.kill
        wait $! 2> /dev/null; echo $?; grep populated a/cgroup.events
        echo 1 > a/cgroup.max.depth; mkdir a/b/c; cat a/cgroup.max.depth a/cgroup.max.descendants
        sh -c 'echo $$ > a/b/cgroup.procs; exec sleep 60' & until grep -q . a/b/cgroup.procs; do :; done; rmdir a/b; kill $!; wait $! 2> /dev/null
        sh -c 'echo 0 > a/b/cgroup.procs; cd a/b; sleep 60 & echo 0 > /mnt/cgroup.procs; kill -9 $!; wait $!
            exec 5> cgroup.procs; rmdir ../b; cat /mnt/cgroup.stat; ls; echo 0 >&5' 2> /dev/null
        grep nr_desc cgroup.stat; rmdir a; [ -d a ] || echo gone
        mount -o remount,nsdelegate .; grep -c nsdelegate /proc/mounts
        mkdir /sys/fs/cgroup/same; ls -d same; rmdir same; cd /; umount /mnt; ls /mnt | wc -l";
    let outcome = lab.guest().cpus(2).sh(&format!("exec 2>&1; {THERE}{script}"))?;
    outcome.prints(
        "63677270\n/proc/filesystems:nodev\tcgroup2\n\
         /proc/mounts:cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n\
         /proc/mounts:none /mnt cgroup2 rw,relatime 0 0\n\
         #subsys_name\thierarchy\tnum_cgroups\tenabled\n\
         cgroup.controllers\ncgroup.max.depth\ncgroup.max.descendants\ncgroup.procs\ncgroup.stat\n\
         cgroup.subtree_control\ncgroup.threads\na/b\n\
         cgroup.controllers\ncgroup.events\ncgroup.kill\ncgroup.max.depth\ncgroup.max.descendants\n\
         cgroup.procs\ncgroup.stat\ncgroup.subtree_control\ncgroup.threads\ncgroup.type\n\
         domain\nsh: write error: Invalid argument\n\
         sh: can't create a/file: Permission denied\n\
         mkdir: can't create directory 'a/cgroup.procs': File exists\n\
         mv: can't rename 'a': Operation not permitted\n\
         mkdir: can't create directory 'a/x\ny': Invalid argument\n\
         0::/a/b\npopulated 1\nfrozen 0\nnr_descendants 2\nnr_dying_descendants 0\ninherited\n\
         rmdir: 'a/b': Device or resource busy\nrmdir: 'a': Device or resource busy\n\
         sh: write error: Numerical result out of range\n137\n\
         populated 0\nmkdir: can't create directory 'a/b/c': Resource temporarily unavailable\n\
         1\nmax\nrmdir: 'a/b': Device or resource busy\n\
         nr_descendants 1\nnr_dying_descendants 1\nnr_descendants 1\ngone\n2\nsame\n0\n",
    )
}

/// Pipelines start, end, are moved and killed while groups are made and removed.
fn groups_come_and_go_under_load(lab: &Lab) -> Result<()> {
    let script = "\
        exec 2> /dev/null
        for shell in 1 2 3; do
            (for turn in 1 2 3 4 5 6 7 8 9 10 11 12; do
                mkdir g$turn; sh -c \"echo 0 > g$turn/cgroup.procs || exit; true | cat | sleep 0.0$turn & exec sleep 60\" &
                sleep 0.0$shell; for p in $(cat g*/cgroup.procs); do echo $p > g$turn/cgroup.procs; break; done
                echo 1 > g$turn/cgroup.kill; rmdir g$turn
            done) &
        done; wait
        for kill in g*/cgroup.kill; do echo 1 > $kill; done
        for i in $(seq 300); do rmdir g*; ls -d g* > /dev/null || grep -lx sleep /proc/[0-9]*/comm > /dev/null || grep 'dying_descendants [1-9]' cgroup.stat > /dev/null || break; sleep 0.1; done
        ls -d g* | wc -l; cat cgroup.stat; grep -lx sleep /proc/[0-9]*/comm 2> /dev/null | wc -l";
    let guest = lab.guest().cpus(4).seconds(300);
    guest
        .sh(&format!("{THERE}{script}"))?
        .prints("0\nnr_descendants 0\nnr_dying_descendants 0\n0\n")
}

fn groups_are_given_away(lab: &Lab) -> Result<()> {
    let script = "\
        echo 'user:x:1000:1000::/:/bin/sh' >> /etc/passwd; as() { su user -c \"$1\"; }
        mkdir d; chown -R 1000:1000 d; mkdir d/in; chown 1000 d/in d/in/cgroup.procs
        as 'mkdir /sys/fs/cgroup/d/own && stat -c %u /sys/fs/cgroup/d/own /sys/fs/cgroup/d/own/cgroup.procs
            mkdir /sys/fs/cgroup/no; echo 0 > /sys/fs/cgroup/d/own/cgroup.procs'
        sleep 60 & echo $! > d/in/cgroup.procs
        as \"echo $! > /sys/fs/cgroup/d/own/cgroup.procs; cat /proc/$!/cgroup\"; { kill -9 $!; wait $!; } 2> /dev/null; sleep 0.3
        chmod 600 d/cgroup.stat; stat -c %a d/cgroup.stat; rmdir d/own d/in d && echo removed";
    let outcome = lab.guest().cpus(2).sh(&format!("exec 2>&1; {THERE}{script}"))?;
    outcome.prints(
        "1000\n1000\nmkdir: can't create directory '/sys/fs/cgroup/no': Permission denied\n\
         sh: write error: Permission denied\n0::/d/own\n600\nremoved\n",
    )
}

fn clone_into_cgroup(lab: &Lab) -> Result<()> {
    let expected = "\
        a child is born in the group\n\
        what Linux refuses is refused\n\
        an empty group is told of\n\
        nobody is left\n";
    let guest = lab.guest().cpus(2).with(Program::Clones)?;
    guest.sh(&format!("{THERE}clones"))?.prints(expected)
}
