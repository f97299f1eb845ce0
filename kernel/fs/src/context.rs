//! Where a task is: its root, its working directory, its umask.

use alloc::sync::Arc;

use errno::Result;
use sync::{LockClass, SpinLock};

use crate::namespace::MountNamespace;
use crate::path::Path;

/// A leaf lock.
static CONTEXT_LOCK: LockClass = LockClass::new("fs.context");

#[derive(Clone)]
struct Places {
    root: Path,
    cwd: Path,
    umask: u32,
}

/// What path names mean to a task; shared between tasks by `CLONE_FS`.
pub struct FsContext {
    namespace: Arc<MountNamespace>,
    places: SpinLock<Places>,
}

impl FsContext {
    /// At the root of a namespace, with the usual umask of 022.
    pub fn new(namespace: Arc<MountNamespace>) -> Arc<Self> {
        let root = namespace.root();
        let places = Places { cwd: root.clone(), root, umask: 0o022 };
        Arc::new(Self { namespace, places: SpinLock::new(&CONTEXT_LOCK, places) })
    }

    /// A copy of its own, for a clone without `CLONE_FS`.
    pub fn fork_copy(&self) -> Arc<Self> {
        let places = self.places.lock().clone();
        Arc::new(Self {
            namespace: self.namespace.clone(),
            places: SpinLock::new(&CONTEXT_LOCK, places),
        })
    }

    /// A copy that lives in a copy of the mount namespace, at the same places.
    ///
    /// # Errors
    /// ENOSPC: there are too many mounts.
    pub fn with_own_namespace(&self) -> Result<Arc<Self>> {
        let mut places = self.places.lock().clone();
        let (namespace, copies) = self.namespace.copy_all()?;
        for place in [&mut places.root, &mut places.cwd] {
            let copy = copies.iter().find(|(old, _)| Arc::ptr_eq(old, place.mount()));
            if let Some((_, new)) = copy {
                *place = Path::new(new.clone(), place.dentry().clone());
            }
        }
        Ok(Arc::new(Self { namespace, places: SpinLock::new(&CONTEXT_LOCK, places) }))
    }

    /// The tree of mounts it lives in.
    pub fn namespace(&self) -> &Arc<MountNamespace> {
        &self.namespace
    }

    /// The root directory.
    pub fn root(&self) -> Path {
        self.places.lock().root.clone()
    }

    /// The working directory.
    pub fn cwd(&self) -> Path {
        self.places.lock().cwd.clone()
    }

    /// The permission bits that new files do not get.
    pub fn umask(&self) -> u32 {
        self.places.lock().umask
    }

    /// Changes the root directory; the caller has checked that it is one and that this is allowed.
    pub fn set_root(&self, root: Path) {
        let old = core::mem::replace(&mut self.places.lock().root, root);
        drop(old);
    }

    /// Changes the working directory; the caller has checked that it is one and may be searched.
    pub fn set_cwd(&self, cwd: Path) {
        let old = core::mem::replace(&mut self.places.lock().cwd, cwd);
        drop(old);
    }

    /// Changes the umask and returns what it was.
    pub fn set_umask(&self, umask: u32) -> u32 {
        core::mem::replace(&mut self.places.lock().umask, umask & 0o777)
    }
}
