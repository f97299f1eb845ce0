//! Processes: exit statuses, signals, pipes, many at once.

use super::Case;
use crate::build::programs::Program;
use crate::machine::options::Board;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = [1, 2, 4]
        .into_iter()
        .map(|cpus| {
            Case::new(format!("two_hundred_pipelines_cpus_{cpus}"), move |lab| {
                let rounds = if cpus == 4 { 10 } else { 2 };
                two_hundred_pipelines(lab, cpus, rounds)
            })
        })
        .collect();
    cases.extend([
        Case::new("c4_a_debugger_in_small", c4_a_debugger_in_small),
        Case::new("c6_the_life_of_a_process_is_traced", c6_the_life_of_a_process_is_traced),
        Case::new("c5_unshare_gives_namespaces", c5_unshare_gives_namespaces),
        Case::new("c7_rseq_and_membarrier", c7_rseq_and_membarrier),
        Case::new("c7_large_pages_cpus_1", |lab| c7_large_pages(lab, 1)),
        Case::new("c7_large_pages_cpus_4", |lab| c7_large_pages(lab, 4)),
        Case::new("c7_where_large_pages_are_welcome", c7_where_large_pages_are_welcome),
        Case::new("c7_rseq_in_debians_c_library", c7_rseq_in_debians_c_library),
        Case::new("exit_status_comes_through", exit_status_comes_through),
        Case::new("exit_status_comes_through_on_q35", |lab| {
            lab.guest().board(Board::Q35).sh("exit 7")?.status(7).map(drop)
        }),
        Case::new("death_by_signal_comes_through", |lab| {
            lab.guest().sh("kill -TERM $$")?.status(128 + 15).map(drop)
        }),
        Case::new("a_missing_command_is_127", |lab| {
            lab.guest().run(&["no-such-command"])?.status(127).map(drop)
        }),
        Case::new("a_directory_is_no_command", |lab| {
            lab.guest().run(&["/etc"])?.status(126).map(drop)
        }),
        Case::new("output_arrives_exactly", output_arrives_exactly),
        Case::new("signals_are_handled", signals_are_handled),
        Case::new("default_actions", default_actions),
        Case::new("broken_pipes_kill", broken_pipes_kill),
        Case::new("wait_knows_each_child", wait_knows_each_child),
        Case::new("background_children_are_reaped", background_children_are_reaped),
        Case::new("deep_recursion_of_processes", deep_recursion_of_processes),
        Case::new("poweroff_ends_the_machine", |lab| {
            lab.guest().sh("poweroff -f; sleep 60")?.off().map(drop)
        }),
        Case::new("reboot_ends_the_machine", |lab| {
            lab.guest().sh("reboot -f; sleep 60")?.off().map(drop)
        }),
    ]);
    cases
}

const LARGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage";

/// They come, go in parts, move, are shared with children and used by threads, and hold what was stored.
fn c7_large_pages(lab: &Lab, cpus: u32) -> Result<()> {
    let script = format!("echo madvise > {LARGE_PAGES}/enabled && exec large");
    let guest = lab.guest().cpus(cpus).with(Program::Large)?;
    guest.sh(&script)?.prints("taken\nrefused\nparts\nmoved\nchildren\nthreads\nkernel\n")
}

/// By default on a machine with enough memory, and where root says so.
fn c7_where_large_pages_are_welcome(lab: &Lab) -> Result<()> {
    let guest = |memory| lab.guest().memory(memory).with(Program::Large);
    let script = format!(
        "cd {LARGE_PAGES}; cat enabled; large unwelcome; cat use_zero_page hpage_pmd_size
        for word in always madvise never often; do echo $word > enabled; cat enabled; done 2>&1 | sed 's/.*: //'
        ls -l enabled | cut -c -10; su -s /bin/sh nobody -c 'echo always > enabled' 2>&1 | sed 's/.*: //'"
    );
    guest(256)?.sh(&script)?.prints(
        "always madvise [never]\nunwelcome\n1\n2097152\n[always] madvise never\nalways [madvise] never\n\
         always madvise [never]\nInvalid argument\nalways madvise [never]\n-rw-r--r--\nPermission denied\n",
    )?;
    guest(1024)?.sh(&format!("cat {LARGE_PAGES}/enabled"))?.prints("[always] madvise never\n")
}

/// Counters of each CPU's own under more threads than CPUs, sequences that only an interruption ends, a thread that is interrupted
/// for each barrier, and all that is refused.
fn c7_rseq_and_membarrier(lab: &Lab) -> Result<()> {
    let expected = "rseq refused\nrseq damaged\nrseq cpu\nrseq counters\nrseq signal\nrseq family\n\
        membarrier refused\nmembarrier rseq\nmembarrier interrupts\n";
    for cpus in [2, 4] {
        let guest = lab.guest().cpus(cpus).with(Program::Percpu)?;
        guest.run(&["percpu", &cpus.to_string()])?.prints(expected)?;
    }
    Ok(())
}

/// The C library registers each thread at its start, and then asks the area where it runs.
fn c7_rseq_in_debians_c_library(lab: &Lab) -> Result<()> {
    const LOOK: &str = "import ctypes, os; libc = ctypes.CDLL(None); \
        print([(os.sched_setaffinity(0, [cpu]), libc.sched_getcpu())[1] for cpu in (3, 0, 2, 1)])";
    let script = format!(
        "python3 -c '{LOOK}'; strace -f -o /tmp/calls -e trace=rseq,getcpu python3 -c '{LOOK}' > /tmp/said
        grep -c 'rseq(.* = 0' /tmp/calls; grep -c 'getcpu(' /tmp/calls"
    );
    let guest = lab.guest().cpus(4).packages(&["python3", "strace"]);
    let outcome = guest.run(&["sh", "-c", &script])?.status(1)?;
    let right = outcome.output() == "[3, 0, 2, 1]\n1\n0\n";
    outcome.holds(right, "the C library does not use what it has registered").map(drop)
}

/// Traces children of its own in every way that `strace` and `gdb` do.
fn c4_a_debugger_in_small(lab: &Lab) -> Result<()> {
    let expected = "\
        system calls are stopped at and changed\n\
        a breakpoint is hit\n\
        single steps\n\
        a watched address\n\
        memory by process_vm_readv and /proc/PID/mem\n\
        forks and ends\n\
        attached, and detached with a signal\n\
        a call that goes on\n\
        signals as a file\n";
    lab.guest().cpus(2).with(Program::Tracer)?.run(&["tracer"])?.prints(expected)
}

/// The events of a process come in the order of its life, and its own marks among them.
fn c6_the_life_of_a_process_is_traced(lab: &Lab) -> Result<()> {
    let script = "\
        cd /sys/kernel/tracing
        echo 'sched:sched_process_*' > set_event 2> /dev/null && echo no patterns
        for event in fork exec exit wait free; do echo sched_process_$event >> set_event; done
        cat set_event | wc -l
        echo > trace
        echo begin > trace_marker
        cp /bin/busybox /tmp/once; ln -s once /tmp/true; /tmp/true
        echo 0 > tracing_on
        grep -c 'tracing_mark_write: begin' trace
        child=$(sed -n 's/.*exec: filename=.tmp.true pid=\\([0-9]*\\) .*/\\1/p' trace)
        grep -o \"sched_process_[a-z]*: .*pid=$child.*\" trace | sed 's/:.*//' | tr '\\n' ' '
        echo > set_event; wc -l < set_event
        tail -n +2 events/sched/sched_process_exit/format | head -1 | tr -d '0-9'";
    let outcome = lab.guest().cpus(2).sh(script)?;
    outcome.prints(
        "5\n1\nsched_process_fork sched_process_exec sched_process_exit sched_process_free 0\nID: \n",
    )
}

fn two_hundred_pipelines(lab: &Lab, cpus: u32, rounds: u32) -> Result<()> {
    let script = "\
        round=0
        while [ $round -lt ROUNDS ]; do
            i=0; while [ $i -lt 200 ]; do /bin/true | cat & i=$((i+1)); done; wait; echo ok
            round=$((round+1))
        done";
    let script = script.replace("ROUNDS", &rounds.to_string());
    let guest = lab.guest().cpus(cpus).seconds(600);
    guest.sh(&script)?.prints(&"ok\n".repeat(rounds as usize))
}

fn exit_status_comes_through(lab: &Lab) -> Result<()> {
    lab.guest().sh("exit 7")?.status(7)?;
    lab.guest().run(&["true"])?.status(0)?;
    lab.guest().sh("exit 255")?.status(255).map(drop)
}

fn output_arrives_exactly(lab: &Lab) -> Result<()> {
    lab.guest()
        .run(&["printf", "a\\nb\\tc\\r\\n\\001no newline"])?
        .prints("a\nb\tc\r\n\x01no newline")
}

fn signals_are_handled(lab: &Lab) -> Result<()> {
    let script = "\
        trap 'echo usr1' USR1; trap 'echo int' INT; trap '' TERM
        kill -USR1 $$; kill -INT $$; kill -TERM $$
        sh -c 'trap \"echo inner; exit 5\" USR2; kill -USR2 $$; sleep 5'; echo $?";
    lab.guest().sh(script)?.prints("usr1\nint\ninner\n5\n")
}

fn default_actions(lab: &Lab) -> Result<()> {
    // INT is not among them: a shell has its background jobs ignore that.
    let script = "\
        exec 2> /dev/null
        for s in HUP TERM KILL USR1 ALRM PIPE; do sleep 60 & kill -$s $!; wait $!; echo $s $?; done
        for s in CHLD WINCH CONT URG; do sleep 0.3 & kill -$s $!; wait $!; echo $s $?; done
        sh -c 'until [ -e /tmp/go ]; do sleep 0.1; done' & kill -STOP $!
        for i in $(seq 300); do [ $(cut -d ' ' -f 3 /proc/$!/stat) = T ] && break; sleep 0.1; done; touch /tmp/go
        cut -d ' ' -f 3 /proc/$!/stat; kill -CONT $!; wait $!; echo $?";
    let expected = "HUP 129\nTERM 143\nKILL 137\nUSR1 138\nALRM 142\nPIPE 141\n\
        CHLD 0\nWINCH 0\nCONT 0\nURG 0\nT\n0\n";
    lab.guest().sh(script)?.prints(expected)
}

fn broken_pipes_kill(lab: &Lab) -> Result<()> {
    lab.guest().sh("set -o pipefail; yes | head -n 1; echo $?")?.prints("y\n141\n")
}

fn wait_knows_each_child(lab: &Lab) -> Result<()> {
    let script = "\
        for n in 1 2 3 4 5; do (sleep 0.$n; exit $n) & eval p$n=$!; done
        for n in 5 3 1 4 2; do eval wait \\$p$n; echo $n $?; done";
    lab.guest().sh(script)?.prints("5 5\n3 3\n1 1\n4 4\n2 2\n")
}

/// Orphans that end leave no zombies behind.
fn background_children_are_reaped(lab: &Lab) -> Result<()> {
    let script = "\
        for n in 1 2 3 4 5 6 7 8; do (sleep 0.1 &); done
        for i in $(seq 300); do grep -lx sleep /proc/[0-9]*/comm > /dev/null 2>&1 || break; sleep 0.1; done
        grep -l '^State:.Z' /proc/[0-9]*/status 2> /dev/null | wc -l; grep -lx sleep /proc/[0-9]*/comm 2> /dev/null | wc -l";
    lab.guest().sh(script)?.prints("0\n0\n")
}

fn deep_recursion_of_processes(lab: &Lab) -> Result<()> {
    let script = "\
        echo 'if [ $1 = 0 ]; then echo bottom; exit 3; fi; sh /tmp/r $(($1-1)); exit $?' > /tmp/r
        sh /tmp/r 60; echo $?";
    lab.guest().sh(script)?.prints("bottom\n3\n")
}

fn c5_unshare_gives_namespaces(lab: &Lab) -> Result<()> {
    let script = "\
        hostname before; unshare -u sh -c 'hostname inside; hostname'; hostname
        unshare -p -f sh -c 'echo $$'
        unshare -n true 2> /dev/null; echo $?";
    lab.guest().sh(script)?.prints("inside\nbefore\n1\n1\n")
}
