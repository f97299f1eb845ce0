//! Sessions, process groups, and the terminal that a session may have.

use alloc::sync::Arc;

use errno::Errno;
use sync::{LockClass, SpinLock};

use crate::pid::Pid;
use crate::process::Process;
use crate::signal::{self, SigInfo, Signal};
use crate::table::{Table, tasklist};

/// A leaf, but that it is taken inside the process table's lock.
static TERMINAL_LOCK: LockClass = LockClass::new("session.terminal");

/// What a session needs to know of its controlling terminal.
pub trait Terminal: Send + Sync {
    /// The session's leader has ended, or gives the terminal up: hang it up and forget the session. May sleep.
    fn session_ends(&self, session: &Session);

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

/// Whether a group has no member whose parent is in the same session and another group: nobody is left to
/// continue it when it stops. `leaving` is taken as gone.
fn is_orphaned(table: &Table, group: &Pid, leaving: Option<&Process>) -> bool {
    !table.members(group).any(|member| {
        if leaving.is_some_and(|leaving| core::ptr::eq(&**member, leaving)) || member.is_ending() {
            return false;
        }
        let Some(parent) = table.parent(member) else { return false };
        let sessions = (table.session_of(parent), table.session_of(member));
        let same_session = matches!(sessions, (Some(a), Some(b)) if Arc::ptr_eq(a, b));
        let other_group = !table.group_of(parent).is_some_and(|id| core::ptr::eq(&**id, group));
        same_session && other_group && !parent.pid().is_namespace_init()
    })
}

/// A process that ends, or whose parent does, may leave its group orphaned: a stopped one is then hung up
/// and continued. `parent`: the parent that ends; without it, `process` itself ends.
pub(crate) fn hang_up_if_orphaned(table: &Table, process: &Process, parent: Option<&Process>) {
    let Some(group) = table.group_of(process).cloned() else { return };
    let tie = parent.map_or_else(|| table.parent(process).map(|parent| &**parent), Some);
    let Some(tie) = tie else { return };
    // Only a parent of the same session and another group kept the group from being orphaned.
    let kept = table.group_of(tie).is_none_or(|id| !Arc::ptr_eq(id, &group))
        && matches!(
            (table.session_of(tie), table.session_of(process)),
            (Some(a), Some(b)) if Arc::ptr_eq(a, b)
        );
    let leaving = if parent.is_none() { Some(process) } else { None };
    if !kept || !is_orphaned(table, &group, leaving) {
        return;
    }
    if !table.members(&group).any(|member| member.is_stopped()) {
        return;
    }
    for member in table.members(&group) {
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            // A member that has been released needs no telling.
            let _ = signal::signal_process(member, SigInfo::kernel(signal));
        }
    }
}
