//! Booting, and the three ancestors of everything that runs.

use super::Case;
use crate::machine::options::Board;
use crate::test::guest::lab::{Lab, Outcome};
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    let family = [
        ("microvm_cpus_1", Board::Microvm, 1),
        ("microvm_cpus_2", Board::Microvm, 2),
        ("microvm_cpus_4", Board::Microvm, 4),
        ("q35_cpus_2", Board::Q35, 2),
    ];
    let mut cases: Vec<_> = family
        .into_iter()
        .map(|(machine, board, cpus)| {
            Case::new(format!("b5_ps_shows_the_family_{machine}"), move |lab| {
                b5_ps_shows_the_family(lab, board, cpus)
            })
        })
        .collect();
    cases.extend([
        Case::new("b1_idle_tasks_are_invisible", b1_idle_tasks_are_invisible),
        Case::new("b3_pid_1_is_an_ordinary_process", b3_pid_1_is_an_ordinary_process),
        Case::new("b3_pid_1_adopts_orphans", b3_pid_1_adopts_orphans),
        Case::new("b3_parameters_choose_the_init_program", b3_parameters_choose_the_init_program),
        Case::new("b4_kthreadd_ignores_signals", b4_kthreadd_ignores_signals),
        Case::new("k9_kernel_threads_survive_kill", k9_kernel_threads_survive_kill),
        Case::new("b5_kernel_threads_have_no_command_line", b5_no_command_line),
        Case::new("k12_kernel_threads_have_no_user_memory", k12_no_user_memory),
        Case::new("all_cpus_come_up", all_cpus_come_up),
        Case::new("all_memory_is_there", all_memory_is_there),
    ]);
    cases
}

/// A line of `ps -o pid,ppid,args`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    command: String,
}

impl Process {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { pid, parent, command: words.collect::<Vec<_>>().join(" ") })
    }

    fn is_kernel_thread(&self) -> bool {
        self.command.starts_with('[')
    }
}

fn processes(outcome: &Outcome) -> Vec<Process> {
    outcome.output().lines().filter_map(Process::parse).collect()
}

fn b5_ps_shows_the_family(lab: &Lab, board: Board, cpus: u32) -> Result<()> {
    let command = ["ps", "-o", "pid,ppid,args"];
    let mut outcome = lab.guest().board(board).cpus(cpus).run(&command)?.status(0)?;
    let family = processes(&outcome);
    let find = |pid| family.iter().find(|process| process.pid == pid);
    let init = find(1).is_some_and(|init| init.parent == 0 && !init.is_kernel_thread());
    outcome = outcome.holds(init, "PID 1 is not an ordinary process with ppid 0")?;
    let kthreadd = Process { pid: 2, parent: 0, command: "[kthreadd]".into() };
    outcome = outcome.holds(find(2) == Some(&kthreadd), "PID 2 is not [kthreadd] with ppid 0")?;
    let mut threads =
        family.iter().filter(|process| process.is_kernel_thread() && process.pid != 2);
    let stray = threads.clone().find(|thread| thread.parent != 2);
    outcome =
        outcome.holds(stray.is_none(), &format!("a kernel thread of another parent: {stray:?}"))?;
    outcome = outcome.holds(threads.next().is_some(), "kthreadd has made no thread")?;
    let ps = family
        .iter()
        .any(|process| process.command == "ps -o pid,ppid,args" && process.parent == 1);
    outcome.holds(ps, "ps itself is not a child of PID 1").map(drop)
}

fn b1_idle_tasks_are_invisible(lab: &Lab) -> Result<()> {
    let script = "ls /proc | grep -x 0; cat /proc/[0-9]*/comm 2> /dev/null | grep swapper; ps -o comm | grep -c '^swapper'";
    let outcome = lab.guest().sh(script)?.status(1)?;
    let printed = outcome.output() == "0\n";
    outcome.holds(printed, "an idle task shows").map(drop)
}

fn b3_pid_1_is_an_ordinary_process(lab: &Lab) -> Result<()> {
    lab.guest()
        .sh("cat /proc/1/comm; cut -d ' ' -f 1,2,4 /proc/1/stat; readlink /proc/1/exe")?
        .prints("init\n1 (init) 0\n/init\n")
}

fn b3_pid_1_adopts_orphans(lab: &Lab) -> Result<()> {
    lab.guest()
        .sh("(sleep 60 & echo $! > /tmp/pid); p=$(cat /tmp/pid); until grep -qx sleep /proc/$p/comm; do :; done; cut -d ' ' -f 2,4 /proc/$p/stat")?
        .prints("(sleep) 1\n")
}

fn b3_parameters_choose_the_init_program(lab: &Lab) -> Result<()> {
    // `true` ends at once, and PID 1 must not.
    lab.guest()
        .append("rdinit=/bin/true")
        .run(&[])?
        .panic("Attempted to kill init! exitcode=0x00000000")
        .map(drop)
}

fn b4_kthreadd_ignores_signals(lab: &Lab) -> Result<()> {
    lab.guest()
        .sh("for s in HUP INT TERM STOP SEGV KILL; do kill -$s 2 || echo refused $s; done; \
             sleep 0.2; for i in $(seq 300); do grep -q '^2 (kthreadd) S' /proc/2/stat && break; sleep 0.1; done
             cut -d ' ' -f 1-4 /proc/2/stat")?
        .prints("2 (kthreadd) S 0\n")
}

fn k9_kernel_threads_survive_kill(lab: &Lab) -> Result<()> {
    // Only the long-lived ones: a worker may come and go as it likes.
    let script = "\
        threads() { ps -o pid,ppid,args | awk '($2 == 2 || $1 == 2) && !/kworker/ { print $1, $3 }'; }
        threads > /tmp/before
        for pid in $(cut -d ' ' -f 1 /tmp/before); do kill -9 $pid; done
        sleep 0.5
        threads > /tmp/after
        cmp /tmp/before /tmp/after && echo the same";
    lab.guest().cpus(4).sh(script)?.prints("the same\n")
}

fn b5_no_command_line(lab: &Lab) -> Result<()> {
    lab.guest()
        .sh("wc -c < /proc/2/cmdline; cat /proc/2/maps | wc -l")
        .and_then(|outcome| outcome.prints("0\n0\n"))
}

fn k12_no_user_memory(lab: &Lab) -> Result<()> {
    let script = "grep -c Vm /proc/2/status; grep -c VmRSS /proc/1/status; cat /proc/2/statm; readlink /proc/2/exe || echo none";
    lab.guest().sh(script)?.prints("0\n1\n0 0 0 0 0 0 0\nnone\n")
}

fn all_cpus_come_up(lab: &Lab) -> Result<()> {
    lab.guest()
        .cpus(4)
        .sh("grep -c '^processor' /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat; nproc")?
        .prints("4\n4\n4\n")
}

fn all_memory_is_there(lab: &Lab) -> Result<()> {
    let outcome =
        lab.guest().memory(512).sh("awk '/MemTotal/ { print $2 }' /proc/meminfo")?.status(0)?;
    let kibibytes = outcome.output().trim().parse::<u64>().unwrap_or(0);
    let plausible = (400 * 1024..512 * 1024).contains(&kibibytes);
    outcome.holds(plausible, "MemTotal is not what a machine with 512M should have").map(drop)
}
