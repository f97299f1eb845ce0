//! A guest's console with a script in front of it instead of a person.

use super::report::{Story, log_tail, quote};
use crate::machine::vm::{Ending, Event, Vm};
use anyhow::{Result, bail};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// How long something expected may take to appear on a busy host.
const LIMIT: Duration = Duration::from_secs(600);

/// The shell's prompt, as `/etc/profile` sets it, in root's home.
const PROMPT: &str = "~ # ";

/// A running guest's console.
pub(crate) struct Terminal<'a> {
    vm: Vm,
    /// What the guest boots from.
    _file: NamedTempFile,
    image: &'a Path,
    story: Story,
    screen: Vec<u8>,
    /// How much of it has been dealt with.
    seen: usize,
    ended: bool,
}

impl<'a> Terminal<'a> {
    /// The console of a guest that was just started.
    pub(super) fn new(vm: Vm, file: NamedTempFile, image: &'a Path, story: Story) -> Self {
        Self { vm, _file: file, image, story, screen: Vec::new(), seen: 0, ended: false }
    }

    /// Types keys.
    pub(crate) fn send(&mut self, keys: &str) -> Result<()> {
        self.vm.console().write_all(keys.as_bytes())?;
        Ok(())
    }

    /// Waits for the shell to be ready for a command.
    pub(crate) fn prompt(&mut self) -> Result<String> {
        self.expect(PROMPT)
    }

    /// Types a command and waits until it is done; returns what appeared meanwhile, without the command itself.
    pub(crate) fn command(&mut self, command: &str) -> Result<String> {
        self.send(command)?;
        self.send("\n")?;
        self.expect("\n")?;
        let shown = self.prompt()?;
        Ok(shown.strip_suffix(PROMPT).unwrap_or(&shown).replace("\r\n", "\n"))
    }

    /// Waits until the text appears after what was seen before; returns everything up to its end.
    pub(crate) fn expect(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let unseen = &self.screen[self.seen..];
            let found = unseen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(position) = found {
                let end = position + text.len();
                let shown = String::from_utf8_lossy(&unseen[..end]).into_owned();
                self.seen += end;
                return Ok(shown);
            }
            if !self.wait(deadline)? {
                return self.wrong(&format!("{text:?} did not appear"));
            }
        }
    }

    /// Waits for the machine to be switched off.
    pub(crate) fn off(mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.wait(deadline)? {}
        if !self.ended {
            return self.wrong("the machine was not switched off");
        }
        match self.vm.end()? {
            Ending::Off | Ending::Exit(0) => Ok(()),
            other => bail!("the machine was not switched off, but {other:?}"),
        }
    }

    /// An error, with everything that may explain it.
    pub(crate) fn wrong<T>(&self, why: &str) -> Result<T> {
        let screen = String::from_utf8_lossy(&self.screen);
        let (screen, log) = (quote("screen", &screen), log_tail(self.vm.lines(), self.image));
        bail!("{why}\n{screen}{log}{}", self.story.tell())
    }

    /// Waits for more on the screen; false if there is none until then.
    fn wait(&mut self, deadline: Instant) -> Result<bool> {
        match self.vm.next(Some(deadline)) {
            Event::Console(bytes) => self.screen.extend(bytes),
            Event::Line(_) => {}
            Event::Deadline | Event::Leave => return Ok(false),
            Event::End => {
                self.ended = true;
                return Ok(false);
            }
        }
        Ok(true)
    }
}
