//! `cargo xtask run` itself, started as a program: what it prints and how it ends.

use super::Case;
use crate::build::programs::{self, Program};
use crate::test::guest::lab::Lab;
use crate::trace::schema;
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("run_ends_with_the_status", |_| {
            run(&["--", "sh", "-c", "exit 7"])?.status(7).map(drop)
        }),
        Case::new("run_of_no_name_finds_nothing", |_| run(&["--", ""])?.status(127).map(drop)),
        Case::new("run_whose_words_nobody_reads", run_whose_words_nobody_reads),
        Case::new("sim_names_what_was_perhaps_meant", |_| {
            let ended = Ended(tool()?.args(["sim", "k05_stop_ag"]).output()?);
            ended
                .status(2)?
                .says("k05_stop_against_park")?
                .says("k05_stop_against_first_wake")
                .map(drop)
        }),
        Case::new("run_prints_exactly_the_output", run_prints_exactly_the_output),
        Case::new("run_passes_input_on", run_passes_input_on),
        Case::new("run_knows_the_time", |_| {
            run(&["--timeout", "15", "--", "sleep", "600"])?.status(124)?.complains("time-out")
        }),
        Case::new("run_shows_the_log_when_asked", run_shows_the_log_when_asked),
        Case::new("run_shows_a_panic", run_shows_a_panic),
        Case::new("run_without_command_is_a_shell", run_without_command_is_a_shell),
        Case::new("run_counts_instructions", |_| {
            run(&["--icount", "--cpus", "1", "--", "echo", "counted"])?
                .status(0)?
                .prints("counted\n")
        }),
        Case::new("bin_runs_a_program_of_the_host", bin_runs_a_program_of_the_host),
        Case::new("bin_that_is_wrong_is_refused", bin_that_is_wrong_is_refused),
        Case::new("root_is_laid_over", root_is_laid_over),
        Case::new("deb_that_is_not_there_is_refused", |_| {
            let packages = ["--deb", "procps,no-such-package", "--", "true"];
            run(&packages)?.status(125)?.says("--deb no-such-package: there is no such package")?;
            run(&["--deb", "../x", "--", "true"])?
                .status(125)?
                .complains("not a name of a Debian package")
        }),
        Case::new("too_little_memory_is_refused", |_| {
            run(&["--memory", "4M", "--", "true"])?.status(125)?.complains("need at least")
        }),
        Case::new("an_unknown_parameter_is_refused", |_| {
            let parameter = ["--append", "no_such_parameter", "--", "true"];
            run(&parameter)?
                .status(125)?
                .complains("unknown kernel parameter \"no_such_parameter\"")
        }),
        Case::new("r04_trace_writes_its_files", trace_writes_its_files),
        Case::new("r04_sim_is_the_same_when_looked_at", sim_is_the_same_when_looked_at),
        Case::new("missing_qemu_is_named", missing_qemu_is_named),
        Case::new("impossible_machines_are_refused", impossible_machines_are_refused),
    ]
}

/// Closed before the tool says that there is no such init.
fn run_whose_words_nobody_reads(_: &Lab) -> Result<()> {
    let mut child = tool()?
        .args(["run", "--append", "init=/nope", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stderr.take());
    let status = child.wait()?;
    match status.code() {
        Some(125) => Ok(()),
        _ => bail!("{status}, not 125"),
    }
}

/// How the tool ended.
struct Ended(Output);

/// Runs `cargo xtask run` with no input.
fn run(arguments: &[&str]) -> Result<Ended> {
    run_with_input(arguments, b"")
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Result<Ended> {
    let mut child = tool()?
        .arg("run")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().context("a pipe was asked for")?;
    pipe.write_all(input)?;
    drop(pipe);
    Ok(Ended(child.wait_with_output()?))
}

fn tool() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

impl Ended {
    fn status(self, status: i32) -> Result<Self> {
        match self.0.status.code() {
            Some(found) if found == status => Ok(self),
            _ => self.wrong(&format!("{}, not {status}", self.0.status)),
        }
    }

    fn prints(self, expected: &str) -> Result<()> {
        match self.0.stdout == expected.as_bytes() {
            true => Ok(()),
            false => self.wrong(&format!("printed other than {expected:?}")),
        }
    }

    /// Says this on standard error.
    fn says(self, words: &str) -> Result<Self> {
        match self.errors().contains(words) {
            true => Ok(self),
            false => self.wrong(&format!("nothing about {words:?}")),
        }
    }

    /// Says this, prints nothing, and says little else.
    fn complains(self, words: &str) -> Result<()> {
        let ended = self.says(words)?;
        let lines = ended.errors().lines().count();
        match ended.0.stdout.is_empty() && lines == 1 {
            true => Ok(()),
            false => ended.wrong("more than one line"),
        }
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    fn wrong<T>(&self, why: &str) -> Result<T> {
        let output = String::from_utf8_lossy(&self.0.stdout);
        bail!("{why}\nstandard output:\n{output}\nstandard error:\n{}", self.errors())
    }
}

fn run_prints_exactly_the_output(_: &Lab) -> Result<()> {
    run(&["--", "printf", "a\\nb\\tc\\r\\nd"])?.status(0)?.prints("a\nb\tc\r\nd")
}

fn run_passes_input_on(_: &Lab) -> Result<()> {
    // Every byte there is, twice, with and without a newline at the end, and a line longer than a terminal's.
    let mut input: Vec<u8> = (0..=255).chain(0..=255).collect();
    input.extend([b'x'; 10_000]);
    let counted = run_with_input(
        &["--", "sh", "-c", "cat > /tmp/f; wc -c < /tmp/f; sha256sum < /tmp/f"],
        &input,
    )?;
    let expected =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().and_then(
            |mut sum| {
                sum.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(&input))?;
                sum.wait_with_output()
            },
        )?;
    let expected = String::from_utf8_lossy(&expected.stdout).into_owned();
    counted.status(0)?.prints(&format!("{}\n{expected}", input.len()))
}

fn run_shows_the_log_when_asked(_: &Lab) -> Result<()> {
    run(&["--", "true"])?.status(0)?.holds_no_log()?;
    run(&["-v", "--", "true"])?.status(0)?.says("Run /init as init process")?.prints("")
}

impl Ended {
    fn holds_no_log(self) -> Result<Self> {
        match self.0.stderr.is_empty() {
            true => Ok(self),
            false => self.wrong("something on standard error"),
        }
    }
}

/// The end of the log, with a backtrace in which functions have names and lines.
fn run_shows_a_panic(_: &Lab) -> Result<()> {
    let ended = run(&["--append", "rdinit=/bin/true", "--timeout", "600"])?
        .status(125)?
        .says("Kernel panic - not syncing")?
        .says("Attempted to kill init! exitcode=0x00000000")?;
    let named = ended
        .errors()
        .lines()
        .any(|line| line.contains("[<ffffffff8") && line.contains("::") && line.contains(".rs:"));
    match named {
        true => Ok(()),
        false => ended.wrong("no symbolised backtrace"),
    }
}

fn run_without_command_is_a_shell(_: &Lab) -> Result<()> {
    let ended = run_with_input(&["--timeout", "600"], b"echo sum=$((6*7))\nexit\n")?.status(0)?;
    match String::from_utf8_lossy(&ended.0.stdout).contains("sum=42") {
        true => Ok(()),
        false => ended.wrong("the shell did not do what it was told"),
    }
}

fn bin_runs_a_program_of_the_host(_: &Lab) -> Result<()> {
    let program = programs::build(Program::Stdprog)?;
    let ended = run(&["--bin", &program.display().to_string(), "--", "stdprog"])?;
    ended.status(0)?.says("").map(drop)
}

fn bin_that_is_wrong_is_refused(_: &Lab) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str, contents: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, contents)?;
        anyhow::Ok(path.display().to_string())
    };
    let mut arm = vec![0; 64];
    arm[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    arm[16..21].copy_from_slice(&[2, 0, 183, 0, 1]);
    arm[52] = 64;
    let own = std::env::current_exe()?.display().to_string();
    for (path, complaint) in [
        ("/no/such/file".to_owned(), "No such file"),
        (directory.path().display().to_string(), "not a file"),
        (file("script", b"#!/bin/sh\n")?, "not an ELF program"),
        (file("arm", &arm)?, "arm64"),
        (own, "dynamically linked"),
    ] {
        run(&["--bin", &path, "--", "true"])?.status(125)?.complains(complaint)?;
    }
    Ok(())
}

fn root_is_laid_over(_: &Lab) -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::create_dir(directory.path().join("etc"))?;
    std::fs::write(directory.path().join("etc/motd"), "laid over\n")?;
    let root = directory.path().display().to_string();
    run(&["--root", &root, "--", "cat", "/etc/motd"])?.status(0)?.prints("laid over\n")?;
    run(&["--root", "/no/such", "--", "true"])?.status(125)?.complains("No such file")
}

/// The command's output and status are its own, and what is asked for is written.
fn trace_writes_its_files(_: &Lab) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let [json, html, svg, txt] =
        ["t.json", "t.html", "t.svg", "t.txt"].map(|name| directory.path().join(name));
    let mut command = tool()?;
    command.arg("trace").args(["--kthread", "kworker/1"]);
    for file in [&json, &html, &svg, &txt] {
        command.arg("--out").arg(file);
    }
    let output =
        command.args(["--", "sh", "-c", "echo hello; exit 3"]).stdin(Stdio::null()).output()?;
    let ended = Ended(output).status(3)?;
    if ended.errors().contains("events") {
        return ended.wrong("events were lost, or contradict each other");
    }
    ended.prints("hello\n")?;
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&json)?)?;
    schema::check(&file)?;
    for (file, words) in [
        (&html, "\"name\":\"kthreadd\""),
        (&svg, ">[kworker/1:0]<"),
        (&txt, "tracing_mark_write: end"),
    ] {
        let text = std::fs::read_to_string(file)?;
        ensure!(text.contains(words), "{words} is not in {}", file.display());
    }
    let wrong = tool()?.args(["trace", "--out", "t.gif", "--", "true"]).output()?;
    Ended(wrong).status(125)?.complains("what shall it be")
}

/// A run that is looked at makes the same points and the same switches; and what is seen of it is whole.
fn sim_is_the_same_when_looked_at(_: &Lab) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let json = directory.path().join("run.json");
    for scenario in [
        "k05_stop_against_park",
        "k14_work_never_runs_twice_at_once",
        "s06_hotplug_under_load",
        "w03_never_early_never_lost",
        "w06_taken_back_in_a_series",
    ] {
        for seed in ["3", "14"] {
            let words = ["sim", scenario, "--seed", seed];
            let alone = tool()?.args(words).output()?;
            let looked_at = tool()?.args(words).arg("--timeline").arg(&json).output()?;
            let expected = String::from_utf8_lossy(&alone.stdout).into_owned();
            ensure!(expected.contains("passes with seed"), "{expected}");
            Ended(looked_at).status(0)?.prints(&expected)?;
            let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&json)?)?;
            schema::check(&file).with_context(|| format!("{scenario}, seed {seed}"))?;
            let odd = &file["otherData"]["contradictions"];
            ensure!(*odd == 0, "{scenario}, seed {seed}: {odd} events contradict others");
        }
    }
    Ok(())
}

fn missing_qemu_is_named(_: &Lab) -> Result<()> {
    let empty = tempfile::tempdir()?;
    let output = tool()?
        .args(["--no-install", "run", "--", "true"])
        .env("PATH", empty.path())
        // Nor one that was unpacked before.
        .env("CARGO_TARGET_DIR", empty.path())
        .stdin(Stdio::null())
        .output()?;
    Ended(output).status(125)?.complains("qemu-system-x86_64 is missing")
}

fn impossible_machines_are_refused(_: &Lab) -> Result<()> {
    run(&["--cpus", "0", "--", "true"])?.status(125)?.complains("--cpus 0")?;
    run(&["--nodes", "2", "--", "true"])?.status(125)?.complains("q35")?;
    run(&["--icount", "--kvm", "--", "true"])?.status(125)?.complains("--kvm")
}
