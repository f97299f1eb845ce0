//! A terminal.
//!
//! ```text
//!   keyboard ──> driver ──receive()──> line discipline ──read()──> program
//!                                        │ signals, echo
//!   screen <──── driver <──────output────┴──────write()─────────── program
//! ```
//!
//! Locks, from outer to inner: `writing` or `reading` (held by a program while its call lasts),
//! `output` (one step of output: processing and handing to the driver, so that bytes stay in order;
//! never held while waiting for the driver, so echo is not stuck behind a writer who waits),
//! `state` (a spin lock), the driver's own.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use fs::DeviceNumber;
use process::{Pid, Signal};
use sched::{Mutex, WaitQueue};
use sync::{LockClass, SpinGuard, SpinLock};

use crate::driver::Driver;
use crate::ldisc::{Effects, LineDiscipline};
use crate::termios::Termios;

static WRITING_LOCK: LockClass = LockClass::new("tty.writing");
static READING_LOCK: LockClass = LockClass::new("tty.reading");
static OUTPUT_LOCK: LockClass = LockClass::new("tty.output");
static STATE_LOCK: LockClass = LockClass::new("tty.state");

/// Bytes that go to the driver in one step.
const STEP: usize = 512;
/// The most bytes that output processing makes of one (a tab).
const EXPANSION: usize = 8;

/// The size of a terminal's window as `TIOCGWINSZ` carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows, 0 if not known.
    pub rows: u16,
    /// Columns, 0 if not known.
    pub columns: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// What changes during a terminal's life.
pub(crate) struct State {
    pub(crate) ldisc: LineDiscipline,
    pub(crate) window: WindowSize,
    /// The session that it controls.
    pub(crate) session: Option<Arc<Pid>>,
    /// The process group that may read, and that the keyboard's signals go to.
    pub(crate) foreground: Option<Arc<Pid>>,
    /// Nobody else may open it (TIOCEXCL).
    pub(crate) exclusive: bool,
    /// How many files are open on it.
    pub(crate) opens: u32,
}

/// A terminal.
pub struct Tty {
    me: Weak<Self>,
    name: String,
    device: DeviceNumber,
    driver: Arc<dyn Driver>,
    state: SpinLock<State>,
    pub(crate) reading: Mutex<Vec<u8>>,
    pub(crate) writing: Mutex<Vec<u8>>,
    output: Mutex<Vec<u8>>,
    pub(crate) readers: Arc<WaitQueue>,
    pub(crate) writers: Arc<WaitQueue>,
    /// Files that were opened before the last hang-up are dead; each remembers this count as it
    /// was.
    hangups: AtomicU32,
}

impl Tty {
    /// A terminal that nobody has open.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(
        name: String,
        device: DeviceNumber,
        termios: Termios,
        driver: Arc<dyn Driver>,
    ) -> Result<Arc<Self>> {
        let state = State {
            ldisc: LineDiscipline::new(termios).ok_or(Errno::ENOMEM)?,
            window: WindowSize::default(),
            session: None,
            foreground: None,
            exclusive: false,
            opens: 0,
        };
        let mut output = Vec::new();
        output.try_reserve_exact(STEP + EXPANSION).map_err(|_| Errno::ENOMEM)?;
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            name,
            device,
            driver,
            state: SpinLock::new(&STATE_LOCK, state),
            reading: Mutex::new(&READING_LOCK, Vec::new()),
            writing: Mutex::new(&WRITING_LOCK, Vec::new()),
            output: Mutex::new(&OUTPUT_LOCK, output),
            readers: Arc::new(WaitQueue::new()),
            writers: Arc::new(WaitQueue::new()),
            hangups: AtomicU32::new(0),
        }))
    }

    /// A reference of one's own, unless the last is just going.
    pub(crate) fn to_arc(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Its name below `/dev`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its device number.
    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    /// The device behind it.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    pub(crate) fn state(&self) -> SpinGuard<'_, State> {
        self.state.lock()
    }

    /// How often it has been hung up.
    pub(crate) fn hangups(&self) -> u32 {
        self.hangups.load(Ordering::Acquire)
    }

    /// Takes input from the driver, and returns how much: less than given if programs do not read.
    /// The driver offers the rest again when its [`input_wanted`](Driver::input_wanted) is called.
    /// Called by tasks, one at a time for each terminal; may sleep.
    pub fn receive(&self, bytes: &[u8]) -> usize {
        let mut effects = Effects::empty();
        let taken = self.state().ldisc.receive(bytes, &mut effects);
        self.apply(effects);
        self.flush_echo();
        self.flow_control();
        taken
    }

    /// Whether [`receive`](Self::receive) would take a byte. Does not sleep.
    pub fn has_input_room(&self) -> bool {
        self.state().ldisc.has_room()
    }

    /// Does what the line discipline asked for.
    pub(crate) fn apply(&self, effects: Effects) {
        if effects.contains(Effects::FLUSH_OUTPUT) {
            self.driver.flush();
        }
        for (effect, signal) in [
            (Effects::INTERRUPT, Signal::SIGINT),
            (Effects::QUIT, Signal::SIGQUIT),
            (Effects::SUSPEND, Signal::SIGTSTP),
        ] {
            if effects.contains(effect) {
                self.signal_foreground(signal);
            }
        }
        if effects.contains(Effects::READABLE) {
            self.readers.wake_all();
        }
        if effects.contains(Effects::STARTED) {
            self.flush_echo();
            self.writers.wake_all();
        }
    }

    /// Sends the echo that waits, as far as the driver takes it.
    pub(crate) fn flush_echo(&self) {
        let mut out = self.output.lock();
        loop {
            out.clear();
            let room = self.driver.room().min(STEP);
            self.state().ldisc.take_echo(|piece| {
                let length = piece.len().min(room - out.len());
                out.extend_from_slice(&piece[..length]);
                length
            });
            if out.is_empty() {
                return;
            }
            self.driver.write(&out);
        }
    }

    /// Stops or starts the sender if the input queue calls for it.
    pub(crate) fn flow_control(&self) {
        let character = self.state().ldisc.flow_character();
        if let Some(character) = character {
            self.send(character);
        }
    }

    /// Sends one byte past all processing, if there is room.
    pub(crate) fn send(&self, byte: u8) {
        let _in_order = self.output.lock();
        if self.driver.room() > 0 {
            self.driver.write(&[byte]);
        }
    }

    /// One step of a program's output: processes bytes and hands them to the driver. Returns how
    /// many were done; 0 if output is held or the driver has no room.
    pub(crate) fn output_step(&self, bytes: &[u8]) -> usize {
        // What was typed before is shown before.
        self.flush_echo();
        let mut out = self.output.lock();
        out.clear();
        let limit = self.driver.room().min(STEP).saturating_sub(EXPANSION);
        let done = {
            let mut state = self.state();
            if state.ldisc.is_stopped() {
                return 0;
            }
            state.ldisc.process(bytes, &mut out, limit)
        };
        if !out.is_empty() {
            self.driver.write(&out);
        }
        done
    }

    /// Whether [`output_step`](Self::output_step) would do something. Does not sleep.
    pub(crate) fn can_output(&self) -> bool {
        self.driver.room() > EXPANSION && !self.state().ldisc.is_stopped()
    }

    /// The driver has room again: sends echo that waited, and wakes writers. Called by tasks.
    pub fn output_room_made(&self) {
        if self.state().ldisc.has_echo() {
            self.flush_echo();
        }
        self.writers.wake_all();
    }

    /// Hangs up: files that are open on it are dead from now on, and whoever waits on one comes
    /// back. The session is the caller's affair.
    pub(crate) fn kill_files(&self) {
        // Release: whoever sees the new count finds the state below; the waits' conditions look at
        // the count.
        self.hangups.fetch_add(1, Ordering::Release);
        {
            let mut state = self.state();
            state.ldisc.flush_input();
            state.ldisc.flush_echo();
            state.exclusive = false;
        }
        self.readers.wake_all();
        self.writers.wake_all();
    }

    /// Wakes everybody who waits for something on the terminal. Any context.
    pub fn wake_all(&self) {
        self.readers.wake_all();
        self.writers.wake_all();
    }
}

impl core::fmt::Debug for Tty {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tty({})", self.name)
    }
}
