//! Following a program's output line by line.

use crate::machine::child::Tied;
use anyhow::{Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the command and gives each line that it prints, on standard output or error, to `sink`. A command that
/// takes longer than the limit is killed, and that is an error.
pub(super) fn follow(
    command: &mut Command,
    limit: Duration,
    sink: &mut dyn FnMut(&str),
) -> Result<ExitStatus> {
    // One pipe for both, so that the lines keep their order.
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = Tied::start(command)?;
    // The command still holds the pipe's writing end, which would keep it from ever closing.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(text.trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    let deadline = Instant::now() + limit;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => sink(&line),
            Err(RecvTimeoutError::Disconnected) => return child.wait(),
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                bail!("not done within {} s", limit.as_secs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_shell(script: &str, limit: Duration) -> (Result<ExitStatus>, Vec<String>) {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let status = follow(&mut command, limit, &mut |line| lines.push(line.to_owned()));
        (status, lines)
    }

    #[test]
    fn both_outputs_come_in_order() {
        let script = "echo one; echo two >&2; printf three; exit 3";
        let (status, lines) = follow_shell(script, Duration::from_secs(300));
        assert_eq!(status.unwrap().code(), Some(3));
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let start = Instant::now();
        let (status, lines) = follow_shell("echo one; exec sleep 600", Duration::from_secs(5));
        assert!(status.is_err());
        assert_eq!(lines, ["one"]);
        assert!(start.elapsed() < Duration::from_secs(300));
    }
}
