//! `kdevtmpfs`: the thread that keeps the nodes of devices.
//!
//! ```text
//!   who adds or removes a device             kdevtmpfs
//!   puts the device on the list
//!   wakes the thread ──────────────────────> takes it from the list
//!   waits, uninterruptibly                   makes or removes the node, in its own mount
//!                    <── answer, completed ─ answers
//! ```
//!
//! A device is asked for twice in its life, first to be given a node and then to lose it, so what an answer needs is part of the
//! device: to ask takes no memory, and a node that is to go can always be asked to.
//!
//! One thread does it all so that a node never depends on where, or who, the task is that a driver runs in: not on its root, its
//! mounts, its umask, its credentials.

use alloc::sync::Arc;

use errno::{Errno, Result};
use fs::devtmpfs::{DeviceNode, Keeper};
use kthread::Builder;
use sched::{Completion, Sleep, TaskRef};
use sync::{Linked, Links, List, LockClass, Once, SpinLock};

use crate::builder::Identity;

/// A leaf lock.
static REQUESTS_LOCK: LockClass = LockClass::new("kdevtmpfs.requests");

/// What is asked for, in the order in which it came.
static REQUESTS: SpinLock<List<Identity>> = SpinLock::new(&REQUESTS_LOCK, List::new());

/// The thread, once it has its mount.
static THREAD: Once<TaskRef> = Once::new();

/// A device's part in all this.
pub(crate) struct Asking {
    links: Links<Identity>,
    made: Turn,
    removed: Turn,
}

/// Something that is asked for once.
struct Turn {
    /// Set before `done` is completed.
    answer: Once<Result<()>>,
    done: Completion,
}

impl Turn {
    const fn new() -> Self {
        Self { answer: Once::new(), done: Completion::new() }
    }

    fn answer(&self, answer: Result<()>) {
        // Only the thread answers, and a device is on the list once for each turn.
        let _ = self.answer.set(answer);
        self.done.complete();
    }
}

impl Asking {
    pub(crate) const fn new() -> Self {
        Self { links: Links::new(), made: Turn::new(), removed: Turn::new() }
    }
}

impl Linked for Identity {
    fn links(&self) -> &Links<Self> {
        &self.asking.links
    }
}

/// Does what is asked for now: a device that has not been given its answer about a node yet is to get one, any other is to
/// lose it.
fn carry_out(identity: &Identity, keeper: &Keeper) {
    let path = identity.node_path().as_bytes();
    let Some(device) = identity.number else { return };
    let Asking { made, removed, .. } = &identity.asking;
    if made.answer.get().is_none() {
        let Identity { uid, gid, .. } = *identity;
        let permissions = identity.node_mode();
        made.answer(keeper.create(&DeviceNode { path, device, permissions, uid, gid }));
    } else {
        removed.answer(keeper.remove(path, device));
    }
}

/// Makes the thread and waits until it is ready. Once.
///
/// # Errors
/// EBUSY: called twice. As making a kernel thread, and a mount.
pub(crate) fn start() -> Result<()> {
    if THREAD.get().is_some() {
        return Err(Errno::EBUSY);
    }
    let ready = Arc::new((Completion::new(), Once::new()));
    let theirs = ready.clone();
    let thread = Builder::new(format_args!("kdevtmpfs")).run(move |_| {
        let keeper = settle();
        let outcome = keeper.as_ref().map(drop).map_err(|&error| error);
        // Nobody else answers.
        let _ = theirs.1.set(outcome);
        theirs.0.complete();
        drop(theirs);
        keeper.map_or(0, |keeper| serve(&keeper))
    })?;
    ready.0.wait();
    (*ready.1.get().unwrap_or(&Err(Errno::EIO)))?;
    THREAD.set(thread.task().clone()).map_err(|_| Errno::EBUSY)
}

/// The thread's mount, which is its root and all that it sees.
fn settle() -> Result<Keeper> {
    let keeper = Keeper::new()?;
    let me = sched::current_ref();
    let old = process::Thread::of(&me).set_fs(Some(keeper.fs().clone()));
    drop(old);
    Ok(keeper)
}

/// The thread's life. It is never stopped.
fn serve(keeper: &Keeper) -> i32 {
    loop {
        // Interruptible, though no signal reaches it: idle, it must not count in the load average.
        if let Ok(identity) = sched::wait_to_be_woken(Sleep::Interruptible, None, take) {
            carry_out(&identity, keeper);
        }
    }
}

fn take() -> Option<Arc<Identity>> {
    REQUESTS.lock().pop_front()
}

/// Has a device's node made. Without a number there is none. Once. May sleep.
///
/// # Errors
/// As [`Keeper::create`].
pub(crate) fn make_node(identity: &Arc<Identity>) -> Result<()> {
    ask(identity, &identity.asking.made)
}

/// Has a device's node removed, after it has been made. Once. May sleep.
///
/// # Errors
/// As [`Keeper::remove`].
pub(crate) fn remove_node(identity: &Arc<Identity>) -> Result<()> {
    ask(identity, &identity.asking.removed)
}

fn ask(identity: &Arc<Identity>, turn: &Turn) -> Result<()> {
    // Before there is the thread, there are no nodes.
    let (Some(thread), Some(_)) = (THREAD.get(), identity.number) else {
        let _ = turn.answer.set(Ok(()));
        return Ok(());
    };
    let added = REQUESTS.lock().push_back(identity.clone());
    debug_assert!(added.is_ok(), "a device is on the list once for each turn");
    // The list before the wake-up: the thread looks at it after it has said that it sleeps.
    sched::wake_up(thread);
    // Not even killed does the asker go away: what it has asked for is done, and it has to know how that went to undo it.
    turn.done.wait();
    turn.answer.get().copied().unwrap_or(Err(Errno::EIO))
}
