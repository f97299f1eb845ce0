//! Changes of names: removing, moving, exchanging.
//!
//! A change that concerns more than one directory holds the instance's `tree` lock, so their own
//! locks may nest in any order.

use alloc::sync::Arc;

use errno::{Errno, Result};

use super::directory::Directory;
use super::node::{Kind, Node};

impl Node {
    /// Takes a name away that is not a directory's, or an empty directory's.
    pub(super) fn remove(&self, name: &[u8], directory: bool) -> Result<()> {
        let tree = directory.then(|| self.instance.tree.lock());
        let mut entries = self.directory()?;
        let victim = entries.get(name)?.clone();
        match (directory, &victim.kind) {
            (true, Kind::Directory(inner)) => inner.lock_irq_nested().kill()?,
            (true, _) => return Err(Errno::ENOTDIR),
            (false, Kind::Directory(_)) => return Err(Errno::EISDIR),
            (false, _) => {}
        }
        let removed = entries.remove(name);
        drop(entries);
        drop(tree);
        drop(removed);
        victim.touch_changed(if directory { -2 } else { -1 });
        self.touch_modified();
        if directory {
            self.touch_changed(-1);
        }
        Ok(())
    }

    /// Runs `body` on two directories, which may be one: then the second is `None`.
    fn with_both<T>(
        &self,
        other: &Self,
        body: impl FnOnce(&mut Directory, Option<&mut Directory>) -> Result<T>,
    ) -> Result<T> {
        let (Kind::Directory(mine), Kind::Directory(theirs)) = (&self.kind, &other.kind) else {
            return Err(Errno::ENOTDIR);
        };
        let _tree = self.instance.tree.lock();
        let mut mine = mine.lock();
        if core::ptr::eq(self, other) {
            return body(&mut mine, None);
        }
        body(&mut mine, Some(&mut theirs.lock_irq_nested()))
    }

    /// Moves a name over what is there; returns what that was.
    pub(super) fn move_name(
        &self,
        name: &[u8],
        to: &Self,
        new_name: &[u8],
        no_replace: bool,
    ) -> Result<Option<Arc<Self>>> {
        let (moved, replaced) = self.with_both(to, |from, into| {
            let moved = from.get(name)?.clone();
            let target = into.as_deref().unwrap_or(from);
            if target.is_dead() {
                return Err(Errno::ENOENT);
            }
            let replaced = target.get(new_name).ok().cloned();
            match &replaced {
                Some(_) if no_replace => return Err(Errno::EEXIST),
                Some(victim) => match (moved.is_directory(), &victim.kind) {
                    (true, Kind::Directory(inner)) => inner.lock_irq_nested().kill()?,
                    (true, _) => return Err(Errno::ENOTDIR),
                    (false, Kind::Directory(_)) => return Err(Errno::EISDIR),
                    (false, _) => {}
                },
                None => {}
            }
            from.remove(name);
            let target = into.unwrap_or(from);
            if target.replace(new_name, moved.clone()).is_none() {
                target.insert(new_name, moved.clone());
            }
            Ok((moved, replaced))
        })?;
        if moved.is_directory() {
            self.touch_changed(-1);
            to.touch_changed(1);
        }
        if let Some(victim) = &replaced {
            let was_directory = victim.is_directory();
            victim.touch_changed(if was_directory { -2 } else { -1 });
            to.touch_changed(if was_directory { -1 } else { 0 });
        }
        moved.touch_changed(0);
        Ok(replaced)
    }

    pub(super) fn exchange(&self, name: &[u8], to: &Self, new_name: &[u8]) -> Result<()> {
        let (mine, theirs) = self.with_both(to, |from, mut into| {
            let mine = from.get(name)?.clone();
            let theirs = into.as_deref().unwrap_or(from).get(new_name)?.clone();
            from.replace(name, theirs.clone());
            match &mut into {
                Some(into) => into.replace(new_name, mine.clone()),
                None => from.replace(new_name, mine.clone()),
            };
            Ok((mine, theirs))
        })?;
        let links = i32::from(theirs.is_directory()) - i32::from(mine.is_directory());
        self.touch_changed(links);
        to.touch_changed(-links);
        mine.touch_changed(0);
        theirs.touch_changed(0);
        Ok(())
    }
}
