//! The entries of a directory in memory.
//!
//! Each entry gets a number that grows, its place for `readdir`: whoever reads a directory in
//! several calls sees every name that was there all the time exactly once, whatever comes and goes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use errno::{Errno, Result};

use super::node::Node;
use crate::dentry::Name;

/// The places before this one are those of `.` and `..`.
pub(super) const FIRST_PLACE: u64 = 2;

pub(super) struct Entry {
    pub(super) node: Arc<Node>,
    place: u64,
}

/// The entries.
pub(super) struct Directory {
    by_name: BTreeMap<Name, Entry>,
    by_place: BTreeMap<u64, Name>,
    next_place: u64,
    /// It was removed: nothing is made in it any more.
    dead: bool,
}

impl Directory {
    pub(super) const fn new() -> Self {
        Self {
            by_name: BTreeMap::new(),
            by_place: BTreeMap::new(),
            next_place: FIRST_PLACE,
            dead: false,
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Result<&Arc<Node>> {
        self.by_name.get(name).map(|entry| &entry.node).ok_or(Errno::ENOENT)
    }

    /// Whether a name can be added.
    ///
    /// # Errors
    /// EEXIST; ENOENT: the directory was removed.
    pub(super) fn require_free(&self, name: &[u8]) -> Result<()> {
        if self.dead {
            Err(Errno::ENOENT)
        } else if self.by_name.contains_key(name) {
            Err(Errno::EEXIST)
        } else {
            Ok(())
        }
    }

    /// Adds a name that is free.
    pub(super) fn insert(&mut self, name: &[u8], node: Arc<Node>) {
        let name = Name::from(name);
        let place = self.next_place;
        self.next_place += 1;
        self.by_place.insert(place, name.clone());
        self.by_name.insert(name, Entry { node, place });
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let entry = self.by_name.remove(name)?;
        self.by_place.remove(&entry.place);
        Some(entry.node)
    }

    /// Puts another node under a name that is there; its place stays.
    pub(super) fn replace(&mut self, name: &[u8], node: Arc<Node>) -> Option<Arc<Node>> {
        let entry = self.by_name.get_mut(name)?;
        Some(core::mem::replace(&mut entry.node, node))
    }

    pub(super) fn length(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Marks the empty directory as removed.
    ///
    /// # Errors
    /// ENOTEMPTY.
    pub(super) fn kill(&mut self) -> Result<()> {
        if !self.by_name.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.dead = true;
        Ok(())
    }

    /// The first entry at or after a place: name, node, and the place after it.
    pub(super) fn at(&self, place: u64) -> Option<(Name, Arc<Node>, u64)> {
        let (&place, name) = self.by_place.range(place..).next()?;
        let entry = self.by_name.get(name)?;
        Some((name.clone(), entry.node.clone(), place + 1))
    }

    /// All nodes, leaving the directory empty.
    pub(super) fn take_nodes(&mut self) -> impl Iterator<Item = Arc<Node>> + use<> {
        self.by_place.clear();
        core::mem::take(&mut self.by_name).into_values().map(|entry| entry.node)
    }
}
