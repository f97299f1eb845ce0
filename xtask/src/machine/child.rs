//! Processes that do not outlive this one.

use anyhow::{Context, Result};
use std::process::{Child, Command, ExitStatus};

/// A running program that is killed when this value goes away, and also when this process dies in any other way.
#[derive(Debug)]
pub(crate) struct Tied(Child);

impl Tied {
    /// Starts the program. The calling thread must live as long as the program: its death would be taken
    /// for that of the process.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        #[cfg(target_os = "linux")]
        tie(command);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
        Ok(Self(child))
    }

    /// Kills the program, if it runs, and returns how it ended.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        self.wait()
    }

    /// How the program ended, if it has.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("waiting for a child")
    }

    /// Waits for the program's end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.0.wait().context("waiting for a child")
    }

    /// Takes what the program complained of, if that was piped.
    pub(crate) fn complaint(&mut self) -> String {
        let Some(mut pipe) = self.0.stderr.take() else {
            return String::new();
        };
        let mut text = Vec::new();
        // What was read so far is all there is to show.
        let _ = std::io::Read::read_to_end(&mut pipe, &mut text);
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[cfg(target_os = "linux")]
fn tie(command: &mut Command) {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec the closure makes two system calls and touches no memory but its own.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            match getppid() {
                Some(now) if now == parent => Ok(()),
                // The parent died before the signal was asked for.
                _ => Err(std::io::ErrorKind::NotConnected.into()),
            }
        });
    }
}
