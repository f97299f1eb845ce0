//! Sessions, and the terminal that one may have.

use alloc::sync::Arc;

use errno::Errno;
use sync::{LockClass, SpinLock};

use crate::pid::Pid;
use crate::process::Process;
use crate::table::tasklist;

/// A leaf, but that it is taken inside the process table's lock.
static TERMINAL_LOCK: LockClass = LockClass::new("session.terminal");

/// What a session needs to know of its controlling terminal.
pub trait Terminal: Send + Sync {
    /// The session's leader has ended, or gives the terminal up: hang it up and forget the session.
    /// May sleep.
    fn session_ends(&self, session: &Session);

    /// Makes every file that is open on it dead, and tells its session. May sleep.
    fn hang_up(&self);

    /// The terminal itself, for whoever knows what it is.
    fn as_any(&self) -> &dyn core::any::Any;

    /// The device number, as field 7 of `/proc/PID/stat` shows it.
    fn device_number(&self) -> u32;

    /// The group in the foreground.
    fn foreground_group(&self) -> Option<Arc<Pid>>;
}

/// A session: process groups that share a controlling terminal.
pub struct Session {
    id: Arc<Pid>,
    terminal: SpinLock<Option<Arc<dyn Terminal>>>,
}

impl Session {
    pub(crate) fn new(id: Arc<Pid>) -> Arc<Self> {
        Arc::new(Self { id, terminal: SpinLock::new(&TERMINAL_LOCK, None) })
    }

    /// Its number: that of its leader.
    pub fn id(&self) -> &Arc<Pid> {
        &self.id
    }

    /// Its controlling terminal. Any context.
    pub fn terminal(&self) -> Option<Arc<dyn Terminal>> {
        self.terminal.lock_irq().clone()
    }

    /// Gives it a controlling terminal.
    ///
    /// # Errors
    /// EPERM: it has one.
    pub fn set_terminal(&self, terminal: Arc<dyn Terminal>) -> Result<(), Errno> {
        let mut place = self.terminal.lock_irq();
        if place.is_some() {
            return Err(Errno::EPERM);
        }
        *place = Some(terminal);
        Ok(())
    }

    /// Takes its controlling terminal away.
    pub fn take_terminal(&self) -> Option<Arc<dyn Terminal>> {
        self.terminal.lock_irq().take()
    }
}

/// A session's leader that ends takes the terminal from the session.
pub(crate) fn leave_terminal(process: &Process) {
    if !process.pid().bears_session() {
        return;
    }
    let session = tasklist().session_of(process).cloned();
    if let Some(session) = session
        && let Some(terminal) = session.take_terminal()
    {
        terminal.session_ends(&session);
    }
}
