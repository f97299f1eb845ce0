//! A group: its life, its place in the tree, and who is in it.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use errno::{Errno, Result};
use fs::{Inode, Owner};
use sched::WaitQueue;
use sync::{Key, KeyCell, LockClass, Once, SpinLock};

use crate::owner::{PARTS, Part};
use crate::state::{HIERARCHY, Life, Limit, State, Statistics};

/// A leaf.
static OWNERS_LOCK: LockClass = LockClass::new("cgroup.owners");

/// A group of processes.
pub struct Cgroup {
    id: u64,
    /// None for the root, and in the middle of being dropped.
    parent: Option<Arc<Cgroup>>,
    name: Box<[u8]>,
    state: KeyCell<State>,
    owners: SpinLock<[Owner; PARTS]>,
    /// How often it has become populated or empty; changed with the hierarchy locked.
    events: AtomicU64,
    /// How often inotify has been told.
    told: AtomicU64,
    events_changed: Arc<WaitQueue>,
    events_file: Once<Weak<dyn Inode>>,
}

static ROOT: Once<Arc<Cgroup>> = Once::new();

/// Groups that exist but for the root, dying ones too; for leak checks.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many groups exist but for the root: those that are there, and those that somebody still refers to.
pub fn live_groups() -> usize {
    LIVE.load(Ordering::SeqCst)
}

/// The group that every process starts in. Whoever comes first makes it.
pub fn root() -> &'static Arc<Cgroup> {
    loop {
        if let Some(root) = ROOT.get() {
            return root;
        }
        // The root counts nobody, and is never empty.
        let root = Cgroup::new(None, b"", 0, 0, State::new(Life::Online, 1));
        HIERARCHY.lock_irq().claim(&root.state);
        // If another task is faster, its group counts.
        let _ = ROOT.set(root);
    }
}

impl Cgroup {
    fn new(parent: Option<Arc<Self>>, name: &[u8], uid: u32, gid: u32, state: State) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if parent.is_some() {
            LIVE.fetch_add(1, Ordering::SeqCst);
        }
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            parent,
            name: name.into(),
            state: KeyCell::new(state),
            owners: SpinLock::new(&OWNERS_LOCK, Part::owners(uid, gid)),
            events: AtomicU64::new(0),
            told: AtomicU64::new(0),
            events_changed: Arc::new(WaitQueue::new()),
            events_file: Once::new(),
        })
    }

    /// Makes a group in another, for somebody.
    ///
    /// # Errors
    /// ENODEV: the other one was removed. EAGAIN: it, or one above it, allows no more. ENOMEM.
    pub fn make(parent: &Arc<Self>, name: &[u8], uid: u32, gid: u32) -> Result<Arc<Self>> {
        memory::require_free()?;
        let group = Self::new(Some(parent.clone()), name, uid, gid, State::new(Life::New, 0));
        let mut key = HIERARCHY.lock_irq();
        key.claim(&group.state);
        if parent.state.get(&key).life != Life::Online {
            return Err(Errno::ENODEV);
        }
        parent.check_limits(&key)?;
        parent.state.get_mut(&mut key).children += 1;
        for above in parent.and_above() {
            above.state.get_mut(&mut key).below.descendants += 1;
        }
        group.state.get_mut(&mut key).life = Life::Online;
        drop(key);
        Ok(group)
    }

    fn check_limits(&self, key: &Key) -> Result<()> {
        for (level, above) in (0..).zip(self.and_above()) {
            let state = above.state.get(key);
            if !state.max_descendants.allows_more_than(state.below.descendants)
                || !state.max_depth.allows_more_than(level)
            {
                return Err(Errno::EAGAIN);
            }
        }
        Ok(())
    }

    /// Takes it out of the tree.
    ///
    /// # Errors
    /// EBUSY: somebody is in it, or a group below it. ENODEV: it was removed before.
    pub fn remove(&self) -> Result<()> {
        let mut key = HIERARCHY.lock_irq();
        let state = self.state.get_mut(&mut key);
        if state.life != Life::Online {
            return Err(Errno::ENODEV);
        }
        if state.is_populated() || state.children > 0 {
            return Err(Errno::EBUSY);
        }
        state.life = Life::Dying;
        if let Some(parent) = &self.parent {
            parent.state.get_mut(&mut key).children -= 1;
            for above in parent.and_above() {
                let below = &mut above.state.get_mut(&mut key).below;
                below.descendants -= 1;
                below.dying_descendants += 1;
            }
        }
        Ok(())
    }

    /// A number that no other group ever had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The group that it was made in; none for the root.
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The group itself, then those above it.
    fn and_above(&self) -> impl Iterator<Item = &Self> {
        core::iter::successors(Some(self), |group| group.parent.as_deref())
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.and_above().any(|group| core::ptr::eq(group, other))
    }

    /// The nearest group that both are, or are below.
    pub(crate) fn nearest_above_both<'a>(&'a self, other: &Self) -> &'a Self {
        self.and_above().find(|group| other.is_within(group)).expect("the root is above everybody")
    }

    /// Its path from the root, as `/proc/PID/cgroup` shows it.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn path(&self) -> Result<Vec<u8>> {
        let length: usize = self.and_above().map(|group| group.name.len() + 1).sum();
        let mut reversed = Vec::new();
        reversed.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        for group in self.and_above().filter(|group| !group.is_root()) {
            reversed.extend(group.name.iter().rev());
            reversed.push(b'/');
        }
        if reversed.is_empty() {
            reversed.push(b'/');
        }
        reversed.reverse();
        Ok(reversed)
    }

    /// Whether it has not been removed.
    pub fn is_online(&self) -> bool {
        self.state.get(&HIERARCHY.lock_irq()).life == Life::Online
    }

    /// Whether anybody alive is in it or below it.
    pub fn is_populated(&self) -> bool {
        self.state.get(&HIERARCHY.lock_irq()).is_populated()
    }

    /// How many groups are in it.
    pub fn children(&self) -> u32 {
        self.state.get(&HIERARCHY.lock_irq()).children
    }

    /// How many groups are below it.
    pub fn statistics(&self) -> Statistics {
        self.state.get(&HIERARCHY.lock_irq()).below
    }

    /// How deep groups below it may be nested, and how many there may be.
    pub fn limits(&self) -> (Limit, Limit) {
        let key = HIERARCHY.lock_irq();
        let state = self.state.get(&key);
        (state.max_depth, state.max_descendants)
    }

    /// Says how deep groups below it may be nested; those that are there stay.
    pub fn set_max_depth(&self, limit: Limit) {
        self.state.get_mut(&mut HIERARCHY.lock_irq()).max_depth = limit;
    }

    /// Says how many groups there may be below it; those that are there stay.
    pub fn set_max_descendants(&self, limit: Limit) {
        self.state.get_mut(&mut HIERARCHY.lock_irq()).max_descendants = limit;
    }

    /// A process joins it. Any context.
    ///
    /// # Errors
    /// ENODEV: it was removed.
    pub fn enter(&self) -> Result<()> {
        let mut key = HIERARCHY.lock_irq();
        let state = self.state.get_mut(&mut key);
        if state.life != Life::Online {
            return Err(Errno::ENODEV);
        }
        let was = state.is_populated();
        state.members += 1;
        if !was {
            self.population_changed(&mut key, true);
        }
        Ok(())
    }

    /// A process leaves it. Any context. Whoever calls this (or [`enter`](Self::enter)) calls [`tell`](Self::tell)
    /// as soon as it holds no lock.
    pub fn leave(&self) {
        let mut key = HIERARCHY.lock_irq();
        let state = self.state.get_mut(&mut key);
        state.members -= 1;
        if !state.is_populated() {
            self.population_changed(&mut key, false);
        }
    }

    /// It has become populated or empty: so may the groups above it.
    fn population_changed(&self, key: &mut Key, populated: bool) {
        let mut group = self;
        loop {
            group.events.fetch_add(1, Ordering::Relaxed);
            group.events_changed.wake_all();
            let Some(parent) = &group.parent else { return };
            let state = parent.state.get_mut(key);
            let was = state.is_populated();
            if populated {
                state.populated_children += 1;
            } else {
                state.populated_children -= 1;
            }
            if state.is_populated() == was {
                return;
            }
            group = parent;
        }
    }

    /// Tells those who watch `cgroup.events` of this group and of those above what has changed. From a task
    /// that holds no spin lock.
    pub fn tell(&self) {
        for group in self.and_above() {
            let events = group.events_so_far();
            if group.told.swap(events, Ordering::Relaxed) != events
                && let Some(file) = group.events_file.get().and_then(Weak::upgrade)
            {
                fs::inotify::modified(&file);
            }
        }
    }

    /// A number that grows whenever it becomes populated or empty.
    pub fn events_so_far(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Woken whenever it becomes populated or empty.
    pub fn events_changed(&self) -> &Arc<WaitQueue> {
        &self.events_changed
    }

    /// Says which file shows that. Once.
    pub fn set_events_file(&self, file: &Arc<dyn Inode>) {
        let fresh = self.events_file.set(Arc::downgrade(file)).is_ok();
        debug_assert!(fresh, "a group has one directory");
    }

    /// Whose a part of it is.
    pub fn owner(&self, part: Part) -> Owner {
        self.owners.lock()[part as usize]
    }

    /// Changes whose a part of it is.
    pub fn change_owner(&self, part: Part, change: impl FnOnce(&mut Owner)) {
        change(&mut self.owners.lock()[part as usize]);
    }

    /// The last reference has gone: those above count it no longer. Gives the parent, to be dropped next.
    fn leave_tree(&mut self) -> Option<Arc<Self>> {
        let parent = self.parent.take()?;
        LIVE.fetch_sub(1, Ordering::SeqCst);
        let mut key = HIERARCHY.lock_irq();
        if self.state.get(&key).life == Life::Dying {
            for above in parent.and_above() {
                above.state.get_mut(&mut key).below.dying_descendants -= 1;
            }
        }
        drop(key);
        Some(parent)
    }
}

impl Drop for Cgroup {
    /// Goes up in a loop: dropping one parent from within another's drop would need a stack as deep as the tree.
    fn drop(&mut self) {
        let mut next = self.leave_tree();
        while let Some(parent) = next {
            next = Arc::into_inner(parent).and_then(|mut parent| parent.leave_tree());
        }
    }
}

impl core::fmt::Debug for Cgroup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Cgroup({}, {})", self.id, alloc::string::String::from_utf8_lossy(&self.name))
    }
}
