//! A traced guest: events on from the boot on, and the trace taken out when the command has ended.
//!
//! The way out is the console: a shell in the guest runs the command, then writes a divider and, packed by `gzip`, what the rings
//! hold. The console passes bytes as they are, and waits for who writes too fast, so nothing is lost on the way.

use crate::run::{self, Watch};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// What a timeline is made of.
pub(crate) const EVENTS: &str = "sched,task,workqueue,irq,timer,cpuhp";

/// Which events, and how much room they have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a> {
    /// As `trace_event=` takes them.
    pub names: &'a str,
    /// As `trace_buf_size=` takes it.
    pub buffer: &'a str,
}

impl Events<'_> {
    /// The kernel parameters.
    pub(crate) fn parameters(self) -> String {
        format!("trace_buf_size={} trace_event={}", self.buffer, self.names)
    }
}

/// What the command's own output is told from the trace by. The command does not know it.
fn divider() -> Vec<u8> {
    let secret = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u64);
    format!("\x1etrace {secret:016x}\x1e").into_bytes()
}

/// Runs what follows it, and writes the divider and the trace. A mark is written first, so that the pipe has something to end with.
fn script(divider: &str, pack: bool) -> String {
    let packer = if pack { " | gzip -c" } else { "" };
    format!(
        "\"$@\"; status=$?
        cd /sys/kernel/tracing
        echo end > trace_marker; echo 0 > tracing_on; echo 1 > options/nanoseconds
        printf '{divider}'
        {{ cat per_cpu/cpu*/stats | grep ^overrun; cat trace_pipe; }}{packer}
        exit $status"
    )
}

/// The words before the command's. `pack`: the trace comes packed.
pub(crate) fn wrapper(divider: &str, pack: bool) -> Vec<String> {
    ["sh", "-c", &script(divider, pack), "trace"].map(str::to_owned).to_vec()
}

/// Boots, runs, and returns the trace's text.
pub(super) fn trace(arguments: &run::Arguments, events: Events<'_>) -> Result<(ExitCode, String)> {
    let divider = divider();
    let words = String::from_utf8_lossy(&divider).replace('\x1e', "\\036");
    let watch = Watch { parameters: events.parameters(), wrapper: wrapper(&words, true), divider };
    let (status, packed) = run::watched(arguments, &watch)?;
    if packed.is_empty() {
        bail!("the machine ended before the trace came out");
    }
    Ok((status, unpack(&packed)?))
}

fn unpack(packed: &[u8]) -> Result<String> {
    let mut gzip = Command::new("gzip")
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting gzip")?;
    let mut input = gzip.stdin.take().context("a pipe was asked for")?;
    let output = std::thread::scope(|scope| {
        // If gzip will not have it all, its complaint says why.
        scope.spawn(move || drop(input.write_all(packed)));
        gzip.wait_with_output()
    })?;
    if !output.status.success() {
        bail!("the trace came out damaged: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_dividers_differ() {
        assert_ne!(divider(), divider());
    }

    #[test]
    fn r04_what_is_not_packed_is_refused() {
        assert!(unpack(b"not packed").unwrap_err().to_string().contains("damaged"));
    }
}
