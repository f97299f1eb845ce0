//! Job control: sessions, the foreground process group, and who is kept from the terminal.
//!
//! A session's leader acquires a terminal; from then on the terminal is the *controlling terminal*
//! of all processes of the session. One of the session's process groups is in the foreground: the
//! keyboard's signals go to it, and only its members may read.

use alloc::sync::Arc;
use core::any::Any;

use errno::{Errno, Result};
use fs::Capabilities;
use process::{Pid, Session, SigInfo, Signal, Terminal, Thread};

use crate::tty::Tty;

/// Whether the running task may do what is an administrator's to do.
pub(crate) fn caller_is_privileged() -> bool {
    Thread::of(&sched::current()).credentials().capable(Capabilities::SYS_ADMIN)
}

/// The session of the running task.
pub(crate) fn caller_session() -> Option<Arc<Session>> {
    process::session_of(process::process_of(&sched::current()))
}

/// The process group of the running task.
fn caller_group() -> Option<Arc<Pid>> {
    process::group_of(process::process_of(&sched::current()))
}

/// The terminal that controls the running task's session.
pub(crate) fn caller_terminal() -> Option<Arc<Tty>> {
    let terminal = caller_session()?.terminal()?;
    terminal.as_any().downcast_ref::<Tty>()?.to_arc()
}

fn is_session_leader(session: &Session) -> bool {
    Arc::ptr_eq(session.id(), process::process_of(&sched::current()).pid())
}

impl Tty {
    /// Whether it is the controlling terminal of the running task.
    pub(crate) fn controls_caller(&self) -> bool {
        caller_session().is_some_and(|session| self.is_of(session.id()))
    }

    fn is_of(&self, session: &Arc<Pid>) -> bool {
        self.state().session.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, session))
    }

    /// Sends a signal to the foreground process group.
    pub(crate) fn signal_foreground(&self, signal: Signal) {
        let foreground = self.state().foreground.clone();
        if let Some(group) = foreground {
            // A group without members gets nothing, which is nobody's error.
            let _ = process::signal_group(&group, SigInfo::kernel(signal));
        }
    }

    /// Keeps a background process from what only the foreground may do: its group gets `signal`
    /// (SIGTTIN for reading, SIGTTOU for the rest), and the call is made again when it goes on. Who
    /// ignores or blocks SIGTTOU goes through; who cannot be stopped fails.
    ///
    /// # Errors
    /// ERESTARTSYS: stopped. EIO: ignores or blocks SIGTTIN, or is of an orphaned group, which
    /// nobody would continue.
    pub(crate) fn check_foreground(&self, signal: Signal) -> Result<()> {
        if !self.controls_caller() {
            return Ok(());
        }
        let Some(group) = caller_group() else { return Ok(()) };
        let foreground = self.state().foreground.clone();
        if foreground.is_none_or(|foreground| Arc::ptr_eq(&foreground, &group)) {
            return Ok(());
        }
        if process::is_ignored_by_current(signal) {
            return if signal == Signal::SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if process::is_orphaned_group(&group) {
            return Err(Errno::EIO);
        }
        let _ = process::signal_group(&group, SigInfo::kernel(signal));
        Err(Errno::ERESTARTSYS)
    }

    /// Makes it the controlling terminal of the running task's session if that is open to question:
    /// the task is the session's leader, neither has another. What `open` without `O_NOCTTY` does.
    pub(crate) fn acquire_at_open(self: &Arc<Self>) {
        if let Some(session) = caller_session()
            && is_session_leader(&session)
            && session.terminal().is_none()
        {
            self.become_terminal_of(&session);
        }
    }

    /// TIOCSCTTY. `steal`: an administrator may take it from another session.
    ///
    /// # Errors
    /// EPERM: not a session's leader, one terminal too many, or somebody else's.
    pub(crate) fn acquire(self: &Arc<Self>, readable: bool, steal: bool) -> Result<()> {
        let session = caller_session().ok_or(Errno::EPERM)?;
        if !is_session_leader(&session) {
            return Err(Errno::EPERM);
        }
        if self.is_of(session.id()) {
            return Ok(());
        }
        if session.terminal().is_some() {
            return Err(Errno::EPERM);
        }
        let privileged = caller_is_privileged();
        let other = self.state().session.clone();
        if let Some(other) = other {
            if !(steal && privileged) {
                return Err(Errno::EPERM);
            }
            if let Some(other) = process::find_session(&other) {
                drop(other.take_terminal());
            }
            self.forget_session();
        }
        if !readable && !privileged {
            return Err(Errno::EPERM);
        }
        if self.become_terminal_of(&session) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Ties terminal and session together; false if the terminal has a session.
    fn become_terminal_of(self: &Arc<Self>, session: &Arc<Session>) -> bool {
        let group = caller_group();
        {
            let mut state = self.state();
            if state.session.is_some() {
                return false;
            }
            state.session = Some(session.id().clone());
            state.foreground = group;
        }
        let tied = session.set_terminal(self.clone()).is_ok();
        if !tied {
            self.forget_session();
        }
        tied
    }

    fn forget_session(&self) {
        let old = {
            let mut state = self.state();
            (state.session.take(), state.foreground.take())
        };
        drop(old);
    }

    /// TIOCNOTTY: the session's leader gives the terminal up for the whole session, whose
    /// foreground group hears of it.
    ///
    /// # Errors
    /// ENOTTY: it is not the caller's terminal.
    pub(crate) fn give_up(&self) -> Result<()> {
        let session = caller_session().filter(|session| self.is_of(session.id()));
        let session = session.ok_or(Errno::ENOTTY)?;
        if is_session_leader(&session) {
            self.signal_foreground(Signal::SIGHUP);
            self.signal_foreground(Signal::SIGCONT);
            drop(session.take_terminal());
            self.forget_session();
        }
        Ok(())
    }

    /// TIOCGPGRP. The foreground group's number as the caller sees it, 0 if there is none.
    pub(crate) fn foreground_number(&self) -> u32 {
        let foreground = self.state().foreground.clone();
        number_for_caller(foreground)
    }

    /// TIOCGSID.
    ///
    /// # Errors
    /// ENOTTY: it has no session.
    pub(crate) fn session_number(&self) -> Result<u32> {
        let session = self.state().session.clone();
        session.is_some().then(|| number_for_caller(session)).ok_or(Errno::ENOTTY)
    }

    /// TIOCSPGRP.
    ///
    /// # Errors
    /// ENOTTY: not the caller's terminal. EINVAL, ESRCH: no such group. EPERM: a group of another
    /// session.
    pub(crate) fn set_foreground(&self, number: i32) -> Result<()> {
        match self.check_foreground(Signal::SIGTTOU) {
            Err(Errno::EIO) => return Err(Errno::ENOTTY),
            other => other?,
        }
        let session = caller_session().filter(|session| self.is_of(session.id()));
        let session = session.ok_or(Errno::ENOTTY)?;
        let number = u32::try_from(number).map_err(|_| Errno::EINVAL)?;
        let namespace = process::current_pid_namespace();
        let group = namespace.find(number).ok_or(Errno::ESRCH)?;
        let of = process::session_of_group(&group).ok_or(Errno::ESRCH)?;
        if !Arc::ptr_eq(&of, &session) {
            return Err(Errno::EPERM);
        }
        let old = self.state().foreground.replace(group);
        drop(old);
        Ok(())
    }

    /// Hangs up: every open file is dead from now on; the session's leader is told and the session
    /// has no terminal any more.
    pub fn hang_up(&self) {
        let session = self.state().session.clone();
        if let Some(session) = session.and_then(|id| process::find_session(&id)) {
            drop(session.take_terminal());
            if let Some(leader) = session.id().task() {
                for signal in [Signal::SIGHUP, Signal::SIGCONT] {
                    let _ = process::signal_process(
                        process::process_of(&leader),
                        SigInfo::kernel(signal),
                    );
                }
            }
        }
        self.signal_foreground(Signal::SIGHUP);
        self.signal_foreground(Signal::SIGCONT);
        self.forget_session();
        self.kill_files();
    }
}

fn number_for_caller(pid: Option<Arc<Pid>>) -> u32 {
    let namespace = process::current_pid_namespace();
    pid.map_or(0, |pid| pid.number_in(&namespace))
}

impl Terminal for Tty {
    fn session_ends(&self, session: &Session) {
        if self.is_of(session.id()) {
            self.signal_foreground(Signal::SIGHUP);
            self.signal_foreground(Signal::SIGCONT);
            self.forget_session();
            self.kill_files();
        }
    }

    fn hang_up(&self) {
        Tty::hang_up(self);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn device_number(&self) -> u32 {
        self.device().encode() as u32
    }

    fn foreground_group(&self) -> Option<Arc<Pid>> {
        self.state().foreground.clone()
    }
}
