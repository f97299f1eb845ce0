//! Debian's strace and gdb, as they are, on programs that fork, run threads and change memory.

use super::Case;
use super::debian::run_counted;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// A shell function: whether a `sleep` in the background has come as far as its sleep.
const ASLEEP: &str =
    "asleep() { grep -qx sleep /proc/$1/comm && grep -q '^State:.S' /proc/$1/status; }\n";

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("c4_strace", strace), Case::new("c4_gdb", gdb)]
}

/// dash makes a process with `vfork` for a lone program and with `fork` for the rest. strace follows all of them,
/// and can be laid on a process that runs already. A `fork` that a signal came before is made anew, and counted once. Of the
/// pipe's two ends the second may come before the first one's signal has been taken: then one signal stands for both.
fn strace(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp; rm -f log
        printf '%s\\n' '/usr/bin/env true' '(exit 3); echo $?' 'echo through a pipe | cat' 'kill -9 $$' > traced
        strace -f -o log dash traced; echo $?
        for call in vfork clone; do grep -cE \"$call(\\(| resumed).* = [0-9]+$\" log; done
        for call in 'execve(\"/usr/bin/[ec]' '+++ exited with'; do grep -c \"^[0-9]* *$call\" log; done
        grep -c '^[0-9]* *--- SIGCHLD {.*CLD_EXITED' log | sed 's/^[34]$/SIGCHLD/'
        grep -o '+++ killed .*' log; strace -f -c dash traced 2>&1 | grep -cE ' (vfork|clone|execve|wait4)$'
        strace -e inject=getcwd:error=EMLINK /usr/bin/env pwd 2>&1 | grep -o 'EMLINK .*INJ.*'
        sleep 60 & slept=$!; until asleep $slept; do sleep 0.1; done
        strace -o log -p $slept & until ! grep -qx 'TracerPid:.0' /proc/$slept/status; do sleep 0.1; done
        sleep 3; kill $!; wait $!; kill $slept && echo goes on
        wait; grep -o '.*resuming.*' log";
    let script = format!("{ASLEEP}{script}");
    let outcome = run_counted(lab.guest().packages(&["strace", "dash"]), &script)?;
    let expected = "3\nthrough a pipe\n137\n1\n3\n2\n4\nSIGCHLD\n+++ killed by SIGKILL +++\n4\n\
        EMLINK (Too many links) (INJECTED)\ngoes on\n\
        restart_syscall(<... resuming interrupted read ...> <detached ...>\nnothing left\n";
    outcome.prints(expected)
}

/// A breakpoint in a thread, the way that led there, a watch, a step, and a process that runs already.
fn gdb(lab: &Lab) -> Result<()> {
    let script = "\
        cd /tmp
        gdb -nx -batch -ex 'break debuggee::inner' -ex run -ex bt -ex 'print value' -ex 'watch TOTAL.v.value' \
            -ex c -ex c -ex 'info threads' -ex delete -ex 'print $pc' -ex stepi -ex 'set var debuggee::TOTAL.v.value = 50' -ex c \
            /bin/debuggee > log 2>&1
        grep -oE '(hit Breakpoint|#[0-3] .*(inner|outer) \\(.*\\)|hit Hardware watch.*|^.*value = .*|^\\$.*= [0-9]+$)' log |
            sed 's/ 0x[0-9a-f]* in//'
        grep -cE '^[* ] [12] +(Thread|LWP)' log; grep -oE '^the result .*|exited normally' log
        sleep 60 & until asleep $!; do sleep 0.1; done; gdb -nx -batch -p $! -ex 'print $rax' -ex 'print $orig_rax' > log 2>&1; grep '^[$]' log
        kill -0 $! && echo goes on; kill $!; wait";
    let guest = lab.guest().packages(&["gdb"]).with(Program::Debuggee)?;
    let outcome = run_counted(guest, &format!("{ASLEEP}{script}"))?;
    let expected = "hit Breakpoint\n#0  debuggee::inner (value=20)\n#1  debuggee::outer (depth=0)\n\
        #2  debuggee::outer (depth=1)\n#3  debuggee::outer (depth=2)\n$1 = 20\n\
        hit Hardware watchpoint 2: TOTAL.v.value\nOld value = 0\nNew value = 20\n\
        hit Hardware watchpoint 2: TOTAL.v.value\nOld value = 20\nNew value = 40\n2\n\
        the result is 52\nexited normally\n$1 = -516\n$2 = 230\ngoes on\nnothing left\n";
    outcome.prints(expected)
}
