//! The console as a person uses it: line editing, job control, full-screen programs.

use super::Case;
use crate::test::guest::lab::Lab;
use crate::test::guest::terminal::Terminal;
use anyhow::Result;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";
const DELETE: &str = "\x7f";
const ESCAPE: &str = "\x1b";

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_shell_has_job_control", the_shell_has_job_control),
        Case::new("ctrl_d_leaves_and_switches_off", ctrl_d_leaves),
        Case::new("exit_switches_off", exit_switches_off),
        Case::new("background_jobs_and_fg", background_jobs_and_fg),
        Case::new("ctrl_c_interrupts_the_whole_pipeline", ctrl_c_interrupts),
        Case::new("ctrl_z_stops_and_fg_continues", ctrl_z_stops),
        Case::new("background_readers_stop", background_readers_stop),
        Case::new("lines_can_be_edited", lines_can_be_edited),
        Case::new("raw_mode_and_no_echo", raw_mode_and_no_echo),
        Case::new("the_window_has_a_size", the_window_has_a_size),
        Case::new("vi_edits_a_file", vi_edits_a_file),
        Case::new("top_runs_until_q", top_runs_until_q),
    ]
}

/// A guest with the shell's first prompt on its console.
fn shell<'a>(lab: &'a Lab) -> Result<Terminal<'a>> {
    let mut terminal = lab.guest().terminal()?;
    terminal.prompt()?;
    Ok(terminal)
}

/// Writes a script line by line, as long ones would not fit on the screen.
fn write_job(terminal: &mut Terminal<'_>, lines: &[&str]) -> Result<()> {
    terminal.command("rm -f /tmp/job")?;
    for line in lines {
        terminal.command(&format!("echo '{line}' >> /tmp/job"))?;
    }
    Ok(())
}

fn the_shell_has_job_control(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    let flags = terminal.command("echo flags=$-")?;
    if !flags.contains('m') || !flags.contains('i') {
        return terminal.wrong("the shell is not interactive with job control");
    }
    // In `stat`: process group, session, terminal, its foreground group.
    let stat =
        terminal.command("cut -d ' ' -f 5-8 /proc/self/stat; cut -d ' ' -f 5-7 /proc/$$/stat")?;
    let numbers: Vec<i32> = stat.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [group, session, terminal_number, foreground, shell_group, shell_session, _] = numbers[..]
    else {
        return terminal.wrong("stat does not have these fields");
    };
    let right = group == foreground
        && session == shell_session
        && shell_group == shell_session
        && group != shell_group
        && terminal_number != 0;
    match right {
        true => Ok(()),
        false => terminal.wrong("process groups and sessions are not what they should be"),
    }
}

fn ctrl_d_leaves(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.send(CTRL_D)?;
    terminal.off()
}

fn exit_switches_off(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.send("exit\n")?;
    terminal.off()
}

fn background_jobs_and_fg(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    // The shell names the job before it makes it the foreground one: the job itself says when it is that.
    let lines = [
        "until read a b c d group e f front g < /proc/$$/stat",
        "[ $group = $front ]; do sleep 0.1; done",
        "echo in front; exec sleep 100",
    ];
    write_job(&mut terminal, &lines)?;
    terminal.command("sh /tmp/job &")?;
    let jobs = terminal.command("jobs")?;
    if !(jobs.contains("Running") && jobs.contains("sh /tmp/job")) {
        return terminal.wrong("the job does not run");
    }
    terminal.send("fg\n")?;
    terminal.expect("in front\r\n")?;
    terminal.send(CTRL_C)?;
    terminal.prompt()?;
    let after = terminal.command("echo status=$?; jobs")?;
    match after.trim() {
        "status=130" => Ok(()),
        _ => terminal.wrong("^C did not end the job with status 130"),
    }
}

fn ctrl_c_interrupts(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.send("(echo begun; exec sleep 100) | cat | cat\n")?;
    terminal.expect("begun\r\n")?;
    terminal.send(CTRL_C)?;
    terminal.prompt()?;
    let left = terminal.command("ps | grep -c '[s]leep 100'")?;
    if left.trim() != "0" {
        return terminal.wrong("a part of the pipeline lives on");
    }
    // Shells ignore SIGQUIT, this one too until the moment of its `exec`: somebody else says when that has come.
    let lines = ["(until grep -qx sleep /proc/$$/comm; do :; done", "echo begun) & exec sleep 100"];
    write_job(&mut terminal, &lines)?;
    terminal.send("sh /tmp/job\n")?;
    terminal.expect("begun\r\n")?;
    terminal.send(CTRL_BACKSLASH)?;
    terminal.prompt()?;
    match terminal.command("echo status=$?")?.trim() {
        "status=131" => Ok(()),
        _ => terminal.wrong("^\\ did not end it with status 131"),
    }
}

fn ctrl_z_stops(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    write_job(&mut terminal, &["echo begun; until [ -e /tmp/go ]; do sleep 0.1; done"])?;
    terminal.send("sh /tmp/job\n")?;
    terminal.expect("begun\r\n")?;
    terminal.send(CTRL_Z)?;
    terminal.expect("Stopped")?;
    terminal.prompt()?;
    let state = terminal.command("cut -d ' ' -f 3 /proc/$(jobs -p)/stat")?;
    if state.trim() != "T" {
        return terminal.wrong("the job is not in state T");
    }
    terminal.command("touch /tmp/go")?;
    terminal.send("fg\n")?;
    terminal.expect("sh /tmp/job\r\n")?;
    terminal.prompt()?;
    match terminal.command("echo status=$?; jobs")?.trim() {
        "status=0" => Ok(()),
        _ => terminal.wrong("the job did not end well after fg"),
    }
}

fn background_readers_stop(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.command("cat &")?;
    let mut is_stopped = || -> Result<bool> {
        terminal.command("sleep 0.5")?;
        Ok(terminal.command("jobs")?.contains("Stopped"))
    };
    let mut stopped = is_stopped()?;
    for _ in 0..60 {
        stopped = stopped || is_stopped()?;
    }
    if !stopped {
        return terminal.wrong("a background job that reads the terminal is not stopped");
    }
    terminal.send("fg\n")?;
    terminal.expect("cat\r\n")?;
    terminal.send("line\n")?;
    // The echo, and what cat makes of it.
    terminal.expect("line\r\nline\r\n")?;
    terminal.send(CTRL_D)?;
    terminal.prompt().map(drop)
}

fn lines_can_be_edited(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.send("sh -c 'echo begun; cat > /tmp/f'\n")?;
    terminal.expect("begun\r\n")?;
    terminal.send(&format!("wrong{CTRL_U}righ{DELETE}ht\nsecond{CTRL_D}{CTRL_D}"))?;
    terminal.prompt()?;
    match &*terminal.command("cat -A /tmp/f; echo")? {
        "right$\nsecond\n" => Ok(()),
        _ => terminal.wrong("the line was not edited"),
    }
}

fn raw_mode_and_no_echo(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal
        .send("stty raw -echo; echo go; dd bs=1 count=3 2> /dev/null | od -An -tx1; stty sane\n")?;
    terminal.expect("go\n")?;
    terminal.send(&format!("a{CTRL_C}\r"))?;
    let shown = terminal.prompt()?;
    match shown.contains("61 03 0d") && !shown.contains('a') {
        true => Ok(()),
        false => terminal.wrong("three keys did not arrive as they are, unseen"),
    }
}

fn the_window_has_a_size(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    if terminal.command("stty size")?.trim() != "24 80" {
        return terminal.wrong("the size is not the one that the host gave");
    }
    match terminal.command("stty rows 30 cols 100; stty size")?.trim() {
        "30 100" => Ok(()),
        _ => terminal.wrong("the size cannot be changed"),
    }
}

fn vi_edits_a_file(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.command("printf 'one\\ntwo\\n' > /tmp/f")?;
    terminal.send("vi /tmp/f\n")?;
    terminal.expect("1/2")?;
    // An escape that other keys follow at once would be taken for a function key. When vi has taken it, its last line says that
    // it inserts no more.
    let (inserts, commands) = ("I /tmp/f", "- /tmp/f");
    for (line, text) in [("A", "new"), ("jA", ", too")] {
        terminal.send(line)?;
        terminal.expect(inserts)?;
        terminal.send(&format!("{text}{ESCAPE}"))?;
        terminal.expect(commands)?;
    }
    terminal.send(":wq\n")?;
    terminal.prompt()?;
    match &*terminal.command("cat /tmp/f")? {
        "onenew\ntwo, too\n" => Ok(()),
        _ => terminal.wrong("the file is not as edited"),
    }
}

fn top_runs_until_q(lab: &Lab) -> Result<()> {
    let mut terminal = shell(lab)?;
    terminal.send("top -d 1\n")?;
    terminal.expect("Mem:")?;
    terminal.expect("Mem:")?;
    terminal.send("q")?;
    terminal.prompt().map(drop)
}
