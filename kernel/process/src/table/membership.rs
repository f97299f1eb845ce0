//! The part of an entry that says in which control group a process is.

use alloc::sync::Arc;

use cgroup::Cgroup;
use errno::Result;

use super::Table;
use crate::process::Process;

/// The control group that a process is in.
pub(super) struct Membership {
    /// None for the root, which counts nobody.
    cgroup: Option<Arc<Cgroup>>,
    /// It has a live thread.
    counted: bool,
}

impl Membership {
    /// Of the first process.
    pub(super) const ROOT: Self = Self { cgroup: None, counted: true };

    /// Of a new process: in this group, or else in that of its creator, whose membership this is.
    ///
    /// # Errors
    /// ENODEV: the group was removed.
    pub(super) fn for_child(&self, cgroup: Option<&Arc<Cgroup>>) -> Result<Self> {
        let cgroup = match cgroup {
            Some(cgroup) => unless_root(cgroup),
            None => self.cgroup.clone(),
        };
        if let Some(cgroup) = &cgroup {
            cgroup.enter()?;
        }
        Ok(Self { cgroup, counted: true })
    }

    /// The control group's reference, to be dropped.
    pub(super) fn into_cgroup(self) -> Option<Arc<Cgroup>> {
        self.cgroup
    }
}

/// A control group as an entry has it.
fn unless_root(cgroup: &Arc<Cgroup>) -> Option<Arc<Cgroup>> {
    (!cgroup.is_root()).then(|| cgroup.clone())
}

impl Table {
    /// The control group of a process; none for the root.
    pub(crate) fn cgroup_of(&self, process: &Process) -> Option<&Arc<Cgroup>> {
        self.processes.get(process.place())?.membership.cgroup.as_ref()
    }

    /// The processes that have a live thread, each with its control group; none for the root.
    pub(crate) fn with_cgroups(
        &self,
    ) -> impl Iterator<Item = (&Arc<Process>, Option<&Arc<Cgroup>>)> {
        self.processes
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| entry.membership.counted)
            .map(|entry| (&entry.process, entry.membership.cgroup.as_ref()))
    }

    /// The last thread of a process ends: its control group counts it no longer. Returns that group, which is to be told
    /// when the table is unlocked.
    pub(crate) fn leave_cgroup(&mut self, process: &Process) -> Option<Arc<Cgroup>> {
        let membership = &mut self.entry_mut(process.place()).membership;
        membership.counted = false;
        let cgroup = membership.cgroup.as_ref()?;
        cgroup.leave();
        Some(cgroup.clone())
    }

    /// Moves a process with a live thread to another control group. Returns the old one, which is to be told when the table is
    /// unlocked, as is the new one. One that has ended stays where it is.
    ///
    /// # Errors
    /// ENODEV: the group was removed.
    pub(crate) fn move_to_cgroup(
        &mut self,
        process: &Process,
        to: &Arc<Cgroup>,
    ) -> Result<Option<Arc<Cgroup>>> {
        let Some(entry) = self.processes.get_mut(process.place()) else { return Ok(None) };
        let membership = &mut entry.membership;
        if !membership.counted {
            return Ok(None);
        }
        let to = unless_root(to);
        // The new one first: a group above both does not look empty in between.
        if let Some(to) = &to {
            to.enter()?;
        }
        let old = core::mem::replace(&mut membership.cgroup, to);
        if let Some(old) = &old {
            old.leave();
        }
        Ok(old)
    }
}
