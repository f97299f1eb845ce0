//! The process table: who is whose child, and who is in which group and session.
//!
//! All of it is under one lock, `TASKLIST` as in Linux, and it is all inside the lock, so that the
//! compiler sees to it. Members name each other by their [`Place`].
//!
//! ```text
//!   Session ──< Group ──< Process >── parent
//!                            └─────── control group (none: the root)
//! ```
//!
//! A group is there while it has members, a session while it has groups. The first process leads
//! session and group 0, and what the kernel starts stays in them until it asks for a session.

mod membership;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use cgroup::Cgroup;
use errno::Errno;
use sync::{LockClass, SpinIrqGuard, SpinLock};

use crate::chain::{Chain, Links, Relation};
use crate::list::{List, Place};
use crate::pid::Pid;
use crate::process::Process;
use crate::session::Session;
use membership::Membership;

/// Outermost: `process.signals` and everything below it, the numbers of PID namespaces,
/// `cgroup.hierarchy` and wait queues are taken inside. Also taken in interrupts (a terminal signals its foreground group).
static TASKLIST_LOCK: LockClass = LockClass::new("tasklist");

static TASKLIST: SpinLock<Table> = SpinLock::new(&TASKLIST_LOCK, Table::new());

/// Takes the table. Any context.
#[track_caller]
pub(crate) fn tasklist() -> SpinIrqGuard<'static, Table> {
    TASKLIST.lock_irq()
}

/// A process in the table.
struct Entry {
    process: Arc<Process>,
    /// The process itself for the first one.
    parent: Place,
    children: Chain,
    sibling: Links,
    group: Place,
    fellow: Links,
    membership: Membership,
}

/// Children of one parent.
struct Siblings;

impl Relation<Entry> for Siblings {
    fn links(entry: &Entry) -> &Links {
        &entry.sibling
    }
    fn links_mut(entry: &mut Entry) -> &mut Links {
        &mut entry.sibling
    }
}

/// Members of one group.
struct Fellows;

impl Relation<Entry> for Fellows {
    fn links(entry: &Entry) -> &Links {
        &entry.fellow
    }
    fn links_mut(entry: &mut Entry) -> &mut Links {
        &mut entry.fellow
    }
}

struct Group {
    id: Arc<Pid>,
    session: Place,
    members: Chain,
}

struct SessionEntry {
    session: Arc<Session>,
    groups: usize,
}

/// What leaving the table leaves for the caller to drop, after the lock. Numbers that nobody uses
/// any more are free already.
#[derive(Default)]
#[must_use = "dropped after the table's lock"]
pub(crate) struct Leavings {
    _process: Option<Arc<Process>>,
    _group: Option<Arc<Pid>>,
    _session: Option<Arc<Session>>,
    _cgroup: Option<Arc<Cgroup>>,
}

/// The table.
pub(crate) struct Table {
    processes: List<Entry>,
    groups: List<Group>,
    sessions: List<SessionEntry>,
}

impl Table {
    const fn new() -> Self {
        Self { processes: List::new(), groups: List::new(), sessions: List::new() }
    }

    /// Puts the first process in: its own parent, in a session and a group of its own.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn add_first(&mut self, process: Arc<Process>) -> Result<(), Errno> {
        assert!(self.processes.is_empty(), "the first process is made once");
        let place = self.processes.push(Entry {
            process: process.clone(),
            parent: Place::NOWHERE,
            children: Chain::EMPTY,
            sibling: Links::NONE,
            group: Place::NOWHERE,
            fellow: Links::NONE,
            membership: Membership::ROOT,
        });
        process.set_place(place);
        self.entry_mut(place).parent = place;
        // It leaves no other group for it.
        drop(self.start_session(&process)?);
        Ok(())
    }

    /// Puts a new process in, as a child of `parent`, in the group of `fellow`, and in its control group if no
    /// other is given.
    ///
    /// # Errors
    /// ENOMEM. ENODEV: the control group was removed. Nothing has changed.
    pub(crate) fn add(
        &mut self,
        process: &Arc<Process>,
        parent: &Process,
        fellow: &Process,
        cgroup: Option<&Arc<Cgroup>>,
    ) -> Result<(), Errno> {
        self.processes.reserve()?;
        let fellow = self.entry(fellow.place());
        let group = fellow.group;
        let membership = fellow.membership.for_child(cgroup)?;
        say_parent(process, parent);
        let parent = parent.place();
        let (children, members) = (self.entry(parent).children, self.group(group).members);
        // With its links from the beginning: only its neighbours are left to be told.
        let place = self.processes.push(Entry {
            process: process.clone(),
            parent,
            children: Chain::EMPTY,
            sibling: children.links_of_next(),
            group,
            fellow: members.links_of_next(),
            membership,
        });
        process.set_place(place);
        self.entry_mut(parent).children =
            children.extended::<Siblings, _>(&mut self.processes, place);
        self.group_mut(group).members = members.extended::<Fellows, _>(&mut self.processes, place);
        Ok(())
    }

    fn join_parent(&mut self, place: Place, parent: Place) {
        let children = self.entry(parent).children;
        self.entry_mut(parent).children = children.with::<Siblings, _>(&mut self.processes, place);
        self.entry_mut(place).parent = parent;
        say_parent(&self.entry(place).process, &self.entry(parent).process);
    }

    fn leave_parent(&mut self, place: Place) {
        let entry = self.entry_mut(place);
        let (parent, links) = (entry.parent, core::mem::replace(&mut entry.sibling, Links::NONE));
        self.remove_child(parent, links);
    }

    /// A parent loses the child that had these links.
    fn remove_child(&mut self, parent: Place, links: Links) {
        let children = self.entry(parent).children;
        self.entry_mut(parent).children =
            children.without::<Siblings, _>(&mut self.processes, links);
    }

    /// Takes out a process without children.
    pub(crate) fn remove(&mut self, process: &Process) -> Leavings {
        let Some(entry) = self.processes.remove(process.place()) else {
            return Leavings::default();
        };
        debug_assert!(entry.children.is_empty(), "children go to the reaper first");
        process.set_place(Place::NOWHERE);
        self.remove_child(entry.parent, entry.sibling);
        let mut leavings = self.remove_member(entry.group, entry.fellow);
        leavings._process = Some(entry.process);
        leavings._cgroup = entry.membership.into_cgroup();
        leavings
    }

    fn entry(&self, place: Place) -> &Entry {
        self.processes.get(place).expect("places are taken out with their members")
    }

    fn entry_mut(&mut self, place: Place) -> &mut Entry {
        self.processes.get_mut(place).expect("places are taken out with their members")
    }

    fn group(&self, place: Place) -> &Group {
        self.groups.get(place).expect("a group is there while it has members")
    }

    fn group_mut(&mut self, place: Place) -> &mut Group {
        self.groups.get_mut(place).expect("a group is there while it has members")
    }

    /// All processes, in the order in which they were made.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.processes.iter().map(|(_, entry)| &entry.process)
    }

    /// How many processes there are, the idle one included.
    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    /// The parent of a process; the first process for itself. None: it is not in the table.
    pub(crate) fn parent(&self, process: &Process) -> Option<&Arc<Process>> {
        let entry = self.processes.get(process.place())?;
        Some(&self.entry(entry.parent).process)
    }

    /// The ancestor of all.
    pub(crate) fn first_process(&self, process: &Process) -> Arc<Process> {
        let mut place = process.place();
        while self.entry(place).parent != place {
            place = self.entry(place).parent;
        }
        self.entry(place).process.clone()
    }

    /// The children of a process, the eldest first.
    pub(crate) fn children(&self, process: &Process) -> impl Iterator<Item = &Arc<Process>> {
        let children = self.processes.get(process.place()).map_or(Chain::EMPTY, |e| e.children);
        children.iter::<Siblings, _>(&self.processes).map(|(_, entry)| &entry.process)
    }

    /// The first process below another in the tree, if it has children.
    pub(crate) fn first_below(&self, top: &Process) -> Option<&Arc<Process>> {
        self.children(top).next()
    }

    /// The process after `process` on a walk through all that is below `top`: children first, then
    /// younger siblings.
    pub(crate) fn next_below(&self, top: &Process, process: &Process) -> Option<&Arc<Process>> {
        if let Some(child) = self.children(process).next() {
            return Some(child);
        }
        let mut place = process.place();
        while place != top.place() {
            let entry = self.processes.get(place)?;
            if let Some(next) = self.processes.get(entry.sibling.next()) {
                return Some(&next.process);
            }
            place = entry.parent;
        }
        None
    }

    /// The eldest child of a process.
    pub(crate) fn first_child(&self, process: &Process) -> Option<Arc<Process>> {
        self.children(process).next().cloned()
    }

    /// Whether `child` is a child of `parent`.
    pub(crate) fn is_child(&self, child: &Process, parent: &Process) -> bool {
        self.processes.get(child.place()).is_some_and(|entry| entry.parent == parent.place())
    }

    /// Gives a child to another parent.
    pub(crate) fn give_to(&mut self, child: &Process, parent: &Process) {
        let place = child.place();
        self.leave_parent(place);
        self.join_parent(place, parent.place());
    }

    /// The number of a process's group. None: it is not in the table.
    pub(crate) fn group_of(&self, process: &Process) -> Option<&Arc<Pid>> {
        let group = self.processes.get(process.place())?.group;
        Some(&self.group(group).id)
    }

    /// A process's session. None: it is not in the table.
    pub(crate) fn session_of(&self, process: &Process) -> Option<&Arc<Session>> {
        let group = self.processes.get(process.place())?.group;
        Some(self.session_at(self.group(group).session))
    }

    fn session_at(&self, place: Place) -> &Arc<Session> {
        &self.sessions.get(place).expect("a session is there while it has groups").session
    }

    /// The session with a number.
    pub(crate) fn session_by_id(&self, id: &Pid) -> Option<&Arc<Session>> {
        let place = Place::from_number(id.session.load(Ordering::Relaxed));
        self.sessions.get(place).map(|entry| &entry.session)
    }

    /// The group with a number.
    pub(crate) fn find_group(&self, id: &Pid) -> Option<Place> {
        let place = Place::from_number(id.group.load(Ordering::Relaxed));
        self.groups.get(place).map(|_| place)
    }

    /// The members of a group, in the order in which they joined.
    pub(crate) fn members(&self, id: &Pid) -> impl Iterator<Item = &Arc<Process>> {
        let members = self.find_group(id).map_or(Chain::EMPTY, |group| self.group(group).members);
        members.iter::<Fellows, _>(&self.processes).map(|(_, entry)| &entry.process)
    }

    /// The session that a group is in.
    pub(crate) fn session_of_group(&self, id: &Pid) -> Option<&Arc<Session>> {
        self.find_group(id).map(|group| self.session_at(self.group(group).session))
    }

    /// Moves a process into a new session of its own, and a new group in it.
    ///
    /// # Errors
    /// ENOMEM: nothing has changed.
    pub(crate) fn start_session(&mut self, process: &Process) -> Result<Leavings, Errno> {
        self.sessions.reserve()?;
        self.groups.reserve()?;
        let id = process.pid().clone();
        let session =
            self.sessions.push(SessionEntry { session: Session::new(id.clone()), groups: 0 });
        id.session.store(session.number(), Ordering::Relaxed);
        id.add_user();
        Ok(self.start_group(process.place(), id, session))
    }

    /// Moves a process into the group with a number, which is its own or that of a group in its
    /// session.
    ///
    /// # Errors
    /// ENOMEM: nothing has changed.
    pub(crate) fn move_to_group(
        &mut self,
        process: &Process,
        id: &Arc<Pid>,
    ) -> Result<Leavings, Errno> {
        let place = process.place();
        match self.find_group(id) {
            Some(group) if self.entry(place).group == group => Ok(Leavings::default()),
            Some(group) => {
                let leavings = self.leave_group(place);
                self.enter_group(place, group);
                Ok(leavings)
            }
            None => {
                self.groups.reserve()?;
                let session = self.group(self.entry(place).group).session;
                Ok(self.start_group(place, id.clone(), session))
            }
        }
    }

    /// Moves a process into the group of another.
    pub(crate) fn join_group_of(&mut self, process: &Process, fellow: &Process) -> Leavings {
        let group = self.entry(fellow.place()).group;
        let leavings = self.leave_group(process.place());
        self.enter_group(process.place(), group);
        leavings
    }

    /// There is room for one more group. The new one is in before the old one is left: the session
    /// lives on.
    fn start_group(&mut self, place: Place, id: Arc<Pid>, session: Place) -> Leavings {
        let group = self.groups.push(Group { id: id.clone(), session, members: Chain::EMPTY });
        id.group.store(group.number(), Ordering::Relaxed);
        id.add_user();
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.groups += 1;
        }
        let leavings = self.leave_group(place);
        self.enter_group(place, group);
        leavings
    }

    fn enter_group(&mut self, place: Place, group: Place) {
        let members = self.group(group).members;
        self.group_mut(group).members = members.with::<Fellows, _>(&mut self.processes, place);
        self.entry_mut(place).group = group;
    }

    fn leave_group(&mut self, place: Place) -> Leavings {
        let entry = self.entry_mut(place);
        let group = core::mem::replace(&mut entry.group, Place::NOWHERE);
        let links = core::mem::replace(&mut entry.fellow, Links::NONE);
        self.remove_member(group, links)
    }

    /// A group, if it is one, loses the member that had these links.
    fn remove_member(&mut self, group_place: Place, links: Links) -> Leavings {
        let mut leavings = Leavings::default();
        if group_place == Place::NOWHERE {
            return leavings;
        }
        let members =
            self.group(group_place).members.without::<Fellows, _>(&mut self.processes, links);
        let group = self.group_mut(group_place);
        group.members = members;
        if !members.is_empty() {
            return leavings;
        }
        group.id.group.store(Place::NOWHERE.number(), Ordering::Relaxed);
        group.id.remove_user();
        let session_place = group.session;
        leavings._group = self.groups.remove(group_place).map(|group| group.id);
        if let Some(entry) = self.sessions.get_mut(session_place) {
            entry.groups -= 1;
            if entry.groups == 0 {
                let id = entry.session.id();
                id.session.store(Place::NOWHERE.number(), Ordering::Relaxed);
                id.remove_user();
                leavings._session = self.sessions.remove(session_place).map(|entry| entry.session);
            }
        }
        leavings
    }
}

/// Leaves the parent's number, as the child sees it, with the child.
fn say_parent(child: &Process, parent: &Process) {
    child.set_parent_number(child.pid().namespace().map_or(0, |ours| parent.pid().number_in(ours)));
}

/// All processes but idle ones, in the order in which they were made. Allocates; for `/proc` and
/// for signals to all.
pub fn processes() -> Vec<Arc<Process>> {
    let mut found = Vec::new();
    loop {
        // Room is made with the table free; it may have grown when it is taken.
        let wanted = tasklist().len();
        found.reserve(wanted);
        let table = tasklist();
        if table.len() <= found.capacity() {
            found.extend(table.processes().filter(|process| process.pid().number() != 0).cloned());
            return found;
        }
    }
}
