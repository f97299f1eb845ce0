//! A running machine: start it, take its events, learn how it ended.

use super::child::Tied;
use super::log::{self, Item, Parser};
use super::options::{Boot, Options};
use anyhow::{Context, Result, bail};
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to open its channels.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How long the machine may go on after its kernel has panicked or has given its status.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(90);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Bytes came over the serial console.
    Console(Vec<u8>),
    /// A line came over the log channel.
    Line(String),
    /// The time given has come.
    Deadline,
    /// A [`Leaver`] was used.
    Leave,
    /// QEMU is gone and everything it sent has been seen.
    End,
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The kernel gave this status.
    Exit(u8),
    /// Somebody in the guest switched it off or restarted it.
    Off,
    /// The kernel panicked.
    Panic,
    /// None of these; with what can be said about it.
    Lost(String),
}

/// A machine that was started. Dropping it kills it.
pub(crate) struct Vm {
    qemu: Tied,
    console: UnixStream,
    messages: Receiver<Message>,
    sender: Sender<Message>,
    /// Channels that have not been closed yet.
    open: usize,
    lines: Vec<String>,
    exit: Option<u8>,
    panicked: bool,
    /// Set when the end is near, so that a kernel that cannot even stop does not last.
    last_words: Option<Instant>,
}

enum Message {
    Console(Vec<u8>),
    Log(Item),
    Closed,
    Leave,
}

/// Lets another thread say that it is enough.
pub(crate) struct Leaver(Sender<Message>);

impl Leaver {
    /// Makes the machine's owner see [`Event::Leave`].
    pub(crate) fn leave(&self) {
        // If the machine is gone already, nobody needs to hear.
        let _ = self.0.send(Message::Leave);
    }
}

impl Vm {
    /// Starts QEMU. The calling thread must outlive the machine (see [`Tied::start`]).
    pub(crate) fn start(qemu: &Path, options: &Options, boot: &Boot) -> Result<Self> {
        let sockets = tempfile::tempdir()?;
        let listen = |name| {
            let listener = UnixListener::bind(sockets.path().join(name))?;
            listener.set_nonblocking(true)?;
            anyhow::Ok(listener)
        };
        let (console, log) = (listen("console")?, listen("log")?);
        let mut command = options.command(qemu, boot, sockets.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut qemu = Tied::start(&mut command)?;
        let console = accept(&console, &mut qemu)?;
        let log = accept(&log, &mut qemu)?;
        let (sender, messages) = mpsc::channel();
        read_console(console.try_clone()?, sender.clone());
        read_log(log, sender.clone());
        Ok(Self {
            qemu,
            console,
            messages,
            sender,
            open: 2,
            lines: Vec::new(),
            exit: None,
            panicked: false,
            last_words: None,
        })
    }

    /// The way to the guest's console.
    pub(crate) fn console(&self) -> &UnixStream {
        &self.console
    }

    /// A way for another thread to ask for the end.
    pub(crate) fn leaver(&self) -> Leaver {
        Leaver(self.sender.clone())
    }

    /// The log so far.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Waits for the next event.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Event {
        while self.open > 0 {
            let until = [deadline, self.last_words].into_iter().flatten().min();
            match self.receive(until) {
                Some(Message::Console(bytes)) => return Event::Console(bytes),
                Some(Message::Log(Item::Line(line))) => {
                    if log::is_panic(&line) {
                        self.panicked = true;
                        self.expect_end();
                    }
                    self.lines.push(line.clone());
                    return Event::Line(line);
                }
                Some(Message::Log(Item::Exit(status))) => {
                    self.exit = Some(status);
                    self.expect_end();
                }
                Some(Message::Closed) => self.open -= 1,
                Some(Message::Leave) => return Event::Leave,
                None if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Event::Deadline;
                }
                None => {
                    // The last words took too long. Its channels close when QEMU is gone.
                    self.last_words = None;
                    let _ = self.qemu.kill();
                }
            }
        }
        Event::End
    }

    /// Kills the machine if it still runs, and says how it ended.
    pub(crate) fn end(mut self) -> Result<Ending> {
        let status = match self.open {
            0 => self.qemu.wait()?,
            _ => self.qemu.kill()?,
        };
        if let Some(status) = self.exit {
            return Ok(Ending::Exit(status));
        }
        if self.panicked {
            return Ok(Ending::Panic);
        }
        if self.said_good_bye() {
            return Ok(Ending::Off);
        }
        Ok(Ending::Lost(last_sign(status, &self.qemu.complaint())))
    }

    /// Whether the machine, as far as is known by now, ended in a way that the log should explain.
    pub(crate) fn ended_badly(&self) -> bool {
        self.panicked || (self.exit.is_none() && !self.said_good_bye())
    }

    /// Whether the kernel announced that it switches off or restarts the machine.
    fn said_good_bye(&self) -> bool {
        self.lines.iter().any(|line| log::message(line).starts_with("reboot: "))
    }

    fn expect_end(&mut self) {
        self.last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS_LIMIT);
    }

    fn receive(&mut self, until: Option<Instant>) -> Option<Message> {
        // The channel never closes: this machine holds a sender itself.
        match until {
            None => self.messages.recv().ok(),
            Some(until) => {
                self.messages.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            }
        }
    }
}

fn last_sign(status: ExitStatus, complaint: &str) -> String {
    let mut text = "the machine stopped or reset itself without a word".to_owned();
    if !status.success() {
        text = format!("QEMU ended with {status}");
    }
    if !complaint.is_empty() {
        text = format!("{text}: {complaint}");
    }
    text
}

/// Waits for QEMU to open a channel.
fn accept(listener: &UnixListener, qemu: &mut Tied) -> Result<UnixStream> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("waiting for QEMU"),
        }
        if qemu.try_wait()?.is_some() {
            bail!("QEMU did not start: {}", qemu.complaint());
        }
        if Instant::now() > deadline {
            bail!("QEMU did not start within {} s", START_LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn read_console(stream: UnixStream, sender: Sender<Message>) {
    read(stream, sender, |bytes, sender| {
        // Nobody listens any more: the machine is being dropped.
        let _ = sender.send(Message::Console(bytes.to_vec()));
    });
}

fn read_log(stream: UnixStream, sender: Sender<Message>) {
    let mut parser = Parser::default();
    read(stream, sender, move |bytes, sender| {
        let mut sink = |item| {
            // As above.
            let _ = sender.send(Message::Log(item));
        };
        match bytes {
            [] => parser.finish(&mut sink),
            bytes => parser.feed(bytes, &mut sink),
        }
    });
}

/// Gives what comes to `sink` on a thread of its own, and at the end nothing, once.
fn read(
    mut stream: UnixStream,
    sender: Sender<Message>,
    mut sink: impl FnMut(&[u8], &Sender<Message>) + Send + 'static,
) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => sink(&buffer[..count], &sender),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // QEMU was killed.
                Err(_) => break,
            }
        }
        sink(&[], &sender);
        let _ = sender.send(Message::Closed);
    });
}
