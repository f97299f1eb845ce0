//! The words that tests of the guest are written in: a guest of this kind, running that, should end so.

use super::report::{Story, difference, log_tail, quote};
use super::terminal::Terminal;
use crate::build::kernel::{self, Kind};
use crate::build::programs::{self, Program};
use crate::guest::initramfs::{self, Additions};
use crate::guest::order::Order;
use crate::machine::options::{Board, Boot, Memory, Options};
use crate::machine::qemu;
use crate::machine::vm::{Ending, Event, Vm};
use crate::run::console::Marked;
use anyhow::{Result, bail};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// How long a guest may take on an idle host unless a test says otherwise.
const LIMIT: Duration = Duration::from_secs(120);
/// How much slower a busy host may be. Only a guest that hangs takes all of it.
const BUSY: u32 = 6;

/// What all tests share.
pub(crate) struct Lab {
    qemu: PathBuf,
    image: PathBuf,
    /// The kernel is not Heddle.
    foreign: bool,
}

impl Lab {
    /// Builds the image that tests run, or takes another kernel.
    pub(crate) fn new(other: Option<&Path>) -> Result<Self> {
        let qemu = qemu::find()?;
        let image = match other {
            Some(image) => image.to_owned(),
            None => kernel::build(Kind::Checked)?,
        };
        Ok(Self { qemu, image, foreign: other.is_some() })
    }

    /// Takes an image of Heddle that has been built.
    pub(crate) fn of(image: PathBuf) -> Result<Self> {
        Ok(Self { qemu: qemu::find()?, image, foreign: false })
    }

    /// A guest as `cargo xtask run` has it by default.
    pub(crate) fn guest(&self) -> Guest<'_> {
        let mut guest = Guest {
            lab: self,
            options: Options { append: "panic=-1".into(), ..Options::default() },
            additions: Additions::default(),
            memory: None,
            archive: None,
            limit: LIMIT,
            silence: None,
        };
        if self.foreign {
            guest.options.board = Board::Q35;
            guest.options.append.push_str(" console=ttyS0 quiet");
        }
        guest
    }
}

/// A guest to be.
pub(crate) struct Guest<'a> {
    lab: &'a Lab,
    options: Options,
    additions: Additions,
    /// As much as the user land needs, unless this says otherwise.
    memory: Option<Memory>,
    /// The initial file system, if not the usual one.
    archive: Option<Vec<u8>>,
    limit: Duration,
    /// How long it may say nothing.
    silence: Option<Duration>,
}

impl<'a> Guest<'a> {
    /// With so many CPUs.
    pub(crate) fn cpus(mut self, cpus: u32) -> Self {
        self.options.cpus = cpus;
        self
    }

    /// On this kind of machine.
    pub(crate) fn board(mut self, board: Board) -> Self {
        if !self.lab.foreign {
            self.options.board = board;
        }
        self
    }

    /// On this kind of machine, whatever the kernel.
    pub(crate) fn exactly(mut self, board: Board) -> Self {
        self.options.board = board;
        self
    }

    /// A PC whose CPUs and memory are spread over so many NUMA nodes.
    pub(crate) fn nodes(mut self, nodes: u32) -> Self {
        self.options.nodes = nodes;
        self.board(Board::Q35)
    }

    /// With so much memory, in MiB.
    pub(crate) fn memory(mut self, mebibytes: u64) -> Self {
        self.memory = Some(Memory::mebibytes(mebibytes));
        self
    }

    /// With these kernel parameters too.
    pub(crate) fn append(mut self, parameters: &str) -> Self {
        self.options.append.push(' ');
        self.options.append.push_str(parameters);
        self
    }

    /// With time that passes by instructions.
    pub(crate) fn counting_instructions(mut self) -> Self {
        self.options.icount = true;
        self
    }

    /// With this initial file system.
    pub(crate) fn archive(mut self, archive: Vec<u8>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// With these Debian packages.
    pub(crate) fn packages(mut self, names: &[&str]) -> Self {
        self.additions.packages.extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// With one of our own programs in `/bin`.
    pub(crate) fn with(mut self, program: Program) -> Result<Self> {
        self.additions.binaries.push(programs::build(program)?);
        Ok(self)
    }

    /// With a program of the host's in `/bin`.
    pub(crate) fn binary(mut self, path: &Path) -> Self {
        self.additions.binaries.push(path.to_owned());
        self
    }

    /// With a directory of the host laid over its root.
    pub(crate) fn root(mut self, directory: &Path) -> Self {
        self.additions.roots.push(directory.to_owned());
        self
    }

    /// With so much time, in seconds, on an idle host.
    pub(crate) fn seconds(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Given up when nothing has been heard of it for so long.
    pub(crate) fn silent_at_most(mut self, silence: Duration) -> Self {
        self.silence = Some(silence);
        self
    }

    /// Boots it to run a shell script.
    pub(crate) fn sh(self, script: &str) -> Result<Outcome<'a>> {
        self.run(&["sh", "-c", script])
    }

    /// Boots it to run a command.
    pub(crate) fn run(self, command: &[&str]) -> Result<Outcome<'a>> {
        let story = Story::begin(&self.options, command);
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let lab = self.lab;
        let limit = self.limit * BUSY;
        let silence = self.silence.unwrap_or(limit);
        let (mut vm, _file) = self.start(Order {
            command,
            raw_input: true,
            raw_output: true,
            end_by_port: lab.foreign,
            ..Order::default()
        })?;
        let start = Instant::now();
        let mut heard = start;
        let mut console = Marked::new();
        let mut output = Vec::new();
        let mut timed_out = false;
        loop {
            let event = vm.next(Some((start + limit).min(heard + silence)));
            heard = Instant::now();
            match event {
                Event::Console(bytes) => {
                    let was_ready = console.is_ready();
                    output.extend(console.pass(&bytes));
                    if console.is_ready() && !was_ready {
                        // There is no input. If the machine has ended by now, it does not matter.
                        let _ = vm.console().write_all(b"\x04");
                    }
                }
                Event::Line(_) => {}
                Event::Deadline | Event::Leave => {
                    timed_out = true;
                    break;
                }
                Event::End => break,
            }
        }
        let log = vm.lines().to_vec();
        let ending = match timed_out {
            true => {
                drop(vm);
                let why = match start.elapsed() >= limit {
                    true => format!("not done within {} s", limit.as_secs()),
                    false => format!("nothing heard of it for {} s", silence.as_secs()),
                };
                Ending::Lost(why)
            }
            false => vm.end()?,
        };
        output.extend_from_slice(console.held_back());
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(Outcome { ending, output, log, image: &lab.image, story: story.end() })
    }

    /// Boots it into the interactive shell.
    pub(crate) fn terminal(self) -> Result<Terminal<'a>> {
        let image = &self.lab.image;
        let end_by_port = self.lab.foreign;
        let story = Story::begin(&self.options, &[]);
        let (vm, file) =
            self.start(Order { size: Some((24, 80)), end_by_port, ..Order::default() })?;
        Ok(Terminal::new(vm, file, image, story))
    }

    /// The machine, and the file that it boots from, which must stay until it has.
    fn start(mut self, order: Order) -> Result<(Vm, NamedTempFile)> {
        let archive = match self.archive {
            Some(archive) => archive,
            None => initramfs::pack(&self.additions, &order)?,
        };
        let enough = Memory::mebibytes(initramfs::memory_for(archive.len()));
        self.options.memory = self.memory.unwrap_or(enough);
        let mut file = NamedTempFile::new()?;
        file.write_all(&archive)?;
        let boot = Boot { image: self.lab.image.clone(), initramfs: file.path().to_owned() };
        Ok((Vm::start(&self.lab.qemu, &self.options, &boot)?, file))
    }
}

/// How a guest ended. The methods return it again if it is as expected, and otherwise an error that tells all.
pub(crate) struct Outcome<'a> {
    ending: Ending,
    output: String,
    log: Vec<String>,
    image: &'a Path,
    story: Story,
}

impl Outcome<'_> {
    /// What the command printed.
    pub(crate) fn output(&self) -> &str {
        &self.output
    }

    /// The kernel's log.
    pub(crate) fn log(&self) -> &[String] {
        &self.log
    }

    /// The last of these lines of the kernel's log, to be read.
    pub(crate) fn quote_log(&self, lines: Range<usize>) -> String {
        log_tail(&self.log[lines], self.image)
    }

    /// The exit status, if there is one.
    pub(crate) fn exit(&self) -> Option<u8> {
        match self.ending {
            Ending::Exit(status) => Some(status),
            Ending::Off | Ending::Panic | Ending::Lost(_) => None,
        }
    }

    /// The command's exit status is this, and the kernel complained of nothing.
    pub(crate) fn status(self, status: u8) -> Result<Self> {
        match self.ending {
            Ending::Exit(found) if found == status => self.no_complaint(),
            Ending::Exit(found) => self.wrong(&format!("exit status {found}, not {status}")),
            _ => self.wrong(&format!("no exit status, but {:?}", self.ending)),
        }
    }

    /// The machine was switched off or restarted from within.
    pub(crate) fn off(self) -> Result<Self> {
        match self.ending {
            Ending::Off => self.no_complaint(),
            _ => self.wrong(&format!("not switched off, but {:?}", self.ending)),
        }
    }

    /// The kernel panicked, with these words in its log.
    pub(crate) fn panic(self, words: &str) -> Result<Self> {
        match self.ending {
            Ending::Panic => self.logged(words),
            _ => self.wrong(&format!("no panic, but {:?}", self.ending)),
        }
    }

    /// The command succeeded and printed exactly this.
    pub(crate) fn prints(self, expected: &str) -> Result<()> {
        let outcome = self.status(0)?;
        match outcome.output == expected {
            true => Ok(()),
            false => outcome.wrong(&difference(&outcome.output, expected)),
        }
    }

    /// These words are in the log.
    pub(crate) fn logged(self, words: &str) -> Result<Self> {
        match self.log.iter().any(|line| line.contains(words)) {
            true => Ok(self),
            false => self.wrong(&format!("nothing in the log about {words:?}")),
        }
    }

    /// The condition holds; if not, the error says that.
    pub(crate) fn holds(self, condition: bool, otherwise: &str) -> Result<Self> {
        match condition {
            true => Ok(self),
            false => self.wrong(otherwise),
        }
    }

    /// An error, with everything that may explain it.
    pub(crate) fn wrong<T>(&self, why: &str) -> Result<T> {
        let output = quote("output", &self.output);
        bail!("{why}\n{output}{}{}", log_tail(&self.log, self.image), self.story.tell())
    }

    fn no_complaint(self) -> Result<Self> {
        const COMPLAINTS: [&str; 4] = ["BUG:", "WARNING:", "Oops:", "blocked for more than"];
        let complaint = self
            .log
            .iter()
            .find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint)));
        match complaint.cloned() {
            None => Ok(self),
            Some(line) => self.wrong(&format!("the kernel complained: {line}")),
        }
    }
}
