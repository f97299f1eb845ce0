//! `cargo xtask run`: build, boot, and be the guest's console.

pub(crate) mod console;
mod input;
mod terminal;

use crate::build::kernel::{self, Kind};
use crate::guest::initramfs::{self, Additions};
use crate::guest::order::Order;
use crate::machine::log;
use crate::machine::options::{Board, Boot, Memory, Options};
use crate::machine::qemu;
use crate::machine::symbols::Symbols;
use crate::machine::vm::{Ending, Event, Vm};
use anyhow::{Context, Result, bail};
use console::Output;
use input::Input;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Exit status when the time was up.
pub(crate) const TIMED_OUT: u8 = 124;

/// Exit status when the kernel panicked, or when this tool could not do what it was told.
pub(crate) const TOOL_FAILED: u8 = 125;

/// Boot Heddle: an interactive shell, or one command.
///
/// With a command, standard output is exactly the command's output, and the exit status is the command's (126: it cannot
/// be executed, 127: there is no such command, 128+N: killed by signal N, 124: time-out, 125: kernel
/// panic, or something is wrong with the machine).
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Number of CPUs
    #[arg(long, default_value_t = 2, value_name = "N")]
    cpus: u32,

    /// Size of memory, such as 256M or 1G [default: 256M, more for a large user land]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,

    /// Kind of machine
    #[arg(long, value_enum, default_value_t = Board::Microvm)]
    machine: Board,

    /// Number of NUMA nodes that CPUs and memory are spread over (q35 only)
    #[arg(long, default_value_t = 1, value_name = "N")]
    nodes: u32,

    /// Kernel parameters
    #[arg(long, default_value = "", value_name = "STR", allow_hyphen_values = true)]
    append: String,

    /// Put Debian packages and what they depend on into the guest (may be repeated, or a list with commas)
    #[arg(long = "deb", value_name = "PKG", value_delimiter = ',')]
    packages: Vec<String>,

    /// Put a program of this host into the guest's /bin (may be repeated)
    #[arg(long = "bin", value_name = "FILE")]
    binaries: Vec<PathBuf>,

    /// Lay a directory over the guest's root
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Use KVM instead of emulation
    #[arg(long)]
    kvm: bool,

    /// Let guest time pass by counted instructions, the same in every run with one CPU
    #[arg(long)]
    icount: bool,

    /// Stop the machine after so many seconds, with status 124
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,

    /// Boot this kernel instead of building Heddle (a Linux bzImage, to compare)
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Boot the image that the tests use, with the lock checker and all assertions
    #[arg(long, conflicts_with = "kernel")]
    checked: bool,

    /// Show the kernel's log on standard error
    #[arg(short, long)]
    verbose: bool,

    /// The command to run in the guest
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// What somebody wants of a run besides the command's output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Kernel parameters.
    pub parameters: String,
    /// What runs the command: its words follow these.
    pub wrapper: Vec<String>,
    /// What comes over the console after these bytes is not the command's.
    pub divider: Vec<u8>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    boot(arguments, None).map(|(status, _)| status)
}

/// Runs the command, and returns what came after the divider, too.
pub(crate) fn watched(arguments: &Arguments, watch: &Watch) -> Result<(ExitCode, Vec<u8>)> {
    if arguments.command.is_empty() {
        bail!("which command? Name it after --");
    }
    boot(arguments, Some(watch))
}

fn boot(arguments: &Arguments, watch: Option<&Watch>) -> Result<(ExitCode, Vec<u8>)> {
    let additions = Additions {
        packages: arguments.packages.clone(),
        binaries: arguments.binaries.clone(),
        roots: arguments.root.iter().cloned().collect(),
    };
    additions.check()?;
    let mut options = arguments.options();
    let mut order = arguments.order();
    if let Some(watch) = watch {
        options.append = format!("{} {}", watch.parameters, options.append);
        order.command.splice(0..0, watch.wrapper.iter().cloned());
        // The rest of the output is bytes.
        order.raw_output = true;
    }
    options.check()?;
    let qemu = qemu::find()?;
    let image = match &arguments.kernel {
        Some(image) if image.is_file() => image.clone(),
        Some(image) => bail!("{}: no such file", image.display()),
        None if arguments.checked => kernel::build(Kind::Checked)?,
        None => kernel::build(Kind::Fast)?,
    };
    let archive = initramfs::pack(&additions, &order)?;
    if arguments.memory.is_none() {
        options.memory = Memory::mebibytes(initramfs::memory_for(archive.len()));
    }
    check_memory(options.memory, &image, archive.len())?;
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&archive)?;
    let boot = Boot { image, initramfs: file.path().to_owned() };
    let symbols = Symbols::load(&boot.image);
    let deadline = arguments.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    if arguments.command.is_empty() && terminal::is_interactive() {
        tell!("To leave: exit the shell, or press Ctrl-A and then x.");
    }
    let vm = Vm::start(&qemu, &options, &boot)?;
    Session {
        vm,
        symbols,
        verbose: arguments.verbose,
        output: Output::new(arguments.starts_our_init(), watch.map(|watch| &*watch.divider)),
        deadline,
    }
    .run(watch.is_none())
}

impl Arguments {
    /// The command, as a person would write it.
    pub(crate) fn words(&self) -> String {
        self.command.join(" ")
    }

    fn options(&self) -> Options {
        let mut append = "panic=-1".to_owned();
        if self.kernel.is_some() {
            append.push_str(" console=ttyS0 quiet");
        }
        if !self.append.is_empty() {
            append = format!("{append} {}", self.append);
        }
        Options {
            board: self.machine,
            cpus: self.cpus,
            memory: self.memory.unwrap_or(Options::default().memory),
            nodes: self.nodes,
            kvm: self.kvm,
            icount: self.icount,
            append,
        }
    }

    fn order(&self) -> Order {
        let person = terminal::is_interactive();
        let mut environment = Vec::new();
        if let Ok(terminal) = std::env::var("TERM")
            && person
        {
            environment.push(format!("TERM={terminal}"));
        }
        Order {
            command: self.command.clone(),
            environment,
            size: terminal::size().filter(|_| person),
            raw_input: !std::io::stdin().is_terminal(),
            // A terminal in raw mode gets its carriage returns from the guest.
            raw_output: !person,
            end_by_port: self.kernel.is_some(),
        }
    }

    /// Whether PID 1 will be our own `/init`, which says when it is ready.
    fn starts_our_init(&self) -> bool {
        let replaced =
            self.root.as_ref().is_some_and(|root| root.join("init").symlink_metadata().is_ok());
        let overruled = self
            .append
            .split_whitespace()
            .take_while(|&word| word != "--")
            .any(|word| word.starts_with("rdinit=") || word.starts_with("init="));
        !replaced && !overruled
    }
}

/// Says so beforehand where the machine cannot even hold what it is to boot.
fn check_memory(memory: Memory, image: &Path, archive: usize) -> Result<()> {
    /// What the kernel needs besides its image, and the archive unpacked.
    const WORKING_ROOM: u64 = 8 << 20;
    let image = std::fs::metadata(image).context("the kernel's image")?.len();
    let needed = (image + 2 * archive as u64 + WORKING_ROOM).div_ceil(1 << 20);
    if memory.in_mebibytes() < needed {
        bail!("--memory {memory}: the kernel and this user land need at least {needed}M");
    }
    Ok(())
}

struct Session {
    vm: Vm,
    symbols: Symbols,
    verbose: bool,
    output: Output,
    deadline: Option<Instant>,
}

impl Session {
    /// `person`: a terminal is handed through to the guest, if there is one.
    fn run(mut self, person: bool) -> Result<(ExitCode, Vec<u8>)> {
        let mut input = Some(Input::new(&self.vm)?);
        // Restores the terminal when it goes away.
        let _raw = if person { terminal::enter_raw_mode()? } else { None };
        loop {
            if self.output.is_ready()
                && let Some(input) = input.take()
            {
                input.start();
            }
            match self.vm.next(self.deadline) {
                Event::Console(bytes) => self.output.write(&bytes)?,
                Event::Line(line) => {
                    if self.verbose {
                        self.show(&line);
                    }
                }
                Event::Leave => return Ok((ExitCode::SUCCESS, Vec::new())),
                Event::Deadline => {
                    self.output.show_held_back();
                    terminal::report("xtask: time-out");
                    return Ok((ExitCode::from(TIMED_OUT), self.output.into_rest()));
                }
                Event::End => break,
            }
        }
        self.end()
    }

    fn end(self) -> Result<(ExitCode, Vec<u8>)> {
        self.output.show_held_back();
        if !self.verbose && self.vm.ended_badly() {
            for line in last_part(self.vm.lines()) {
                self.show(line);
            }
        }
        // A kernel that ends before PID 1 is ready has something to say about what it was given.
        let refusal = match self.output.is_ready() {
            true => None,
            false => self.vm.lines().iter().rev().find_map(|line| log::own_words(line)),
        };
        let refusal = refusal.map(str::to_owned);
        let rest = self.output.into_rest();
        match self.vm.end()? {
            Ending::Exit(1..) if let Some(refusal) = refusal => bail!("the kernel: {refusal}"),
            Ending::Exit(status) => Ok((ExitCode::from(status), rest)),
            Ending::Off => Ok((ExitCode::SUCCESS, rest)),
            Ending::Panic => bail!("kernel panic"),
            Ending::Lost(how) => bail!("{how}"),
        }
    }

    fn show(&self, line: &str) {
        for line in self.symbols.annotate(line).lines() {
            terminal::report(line);
        }
    }
}

/// The part of the log that tells about a sudden end: from a little before the panic on.
fn last_part(lines: &[String]) -> &[String] {
    const BEFORE: usize = 40;
    const AT_MOST: usize = 40;
    let start = match lines.iter().position(|line| log::is_panic(line)) {
        Some(panic) => panic.saturating_sub(BEFORE),
        None => lines.len().saturating_sub(AT_MOST),
    };
    &lines[start..]
}
