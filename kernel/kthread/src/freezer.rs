//! The freezer: stops every task that may be stopped, at a place where it holds nothing, and lets all go on again.
//!
//! Freezing is a request that each task grants by itself: user tasks on their way back to user mode, kernel threads where they
//! call [`This::try_to_freeze`](crate::This::try_to_freeze) or wait through [`This`](crate::This). A task made while a freeze is
//! going on finds it wanted at its first look, so the freeze goes on until no freezable task is awake.

use core::sync::atomic::{AtomicU8, Ordering};

use errno::Errno;
use sched::{Mutex, SIGNAL_PENDING, TaskFlags, TaskRef, current, state};
use sync::{LockClass, Once};

/// Outermost: one freeze or thaw at a time.
static FREEZER_LOCK: LockClass = LockClass::new("freezer");
static FREEZER: Mutex<()> = Mutex::new(&FREEZER_LOCK, ());

/// Who is to freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// Nobody.
    Nobody = 0,
    /// User tasks.
    User = 1,
    /// User tasks and freezable kernel threads.
    All = 2,
}

static SCOPE: AtomicU8 = AtomicU8::new(Scope::Nobody as u8);

/// What stands still in a freeze besides tasks: work that would be done by threads that are not frozen.
pub struct FreezableWork {
    /// Begins nothing new from now on. Called before the first task is asked.
    pub begin: fn(),
    /// Whether some of what was begun before still goes on.
    pub is_busy: fn() -> bool,
    /// Goes on.
    pub thaw: fn(),
}

static WORK: Once<&'static FreezableWork> = Once::new();

/// Says what work stands still with the kernel threads ([`Scope::All`]). Once.
pub fn set_freezable_work(work: &'static FreezableWork) {
    let fresh = WORK.set(work).is_ok();
    assert!(fresh, "there is one workqueue");
}

/// How long a freeze waits for tasks that do not come, in nanoseconds.
const PATIENCE: u64 = 20 * time::SECOND;
/// Between two looks.
const PAUSE: u64 = time::MILLISECOND;

fn scope() -> Scope {
    match SCOPE.load(Ordering::SeqCst) {
        0 => Scope::Nobody,
        1 => Scope::User,
        _ => Scope::All,
    }
}

/// Whether the running task is wanted in the freezer. One load when nobody is. Any context.
pub fn is_wanted() -> bool {
    SCOPE.load(Ordering::SeqCst) != Scope::Nobody as u8 && wants(&sched::current_ref())
}

fn wants(task: &TaskRef) -> bool {
    let flags = task.flags();
    if flags.contains(TaskFlags::NOFREEZE) || flags.contains(TaskFlags::EXITING) {
        return false;
    }
    scope() >= if task.is_kthread() { Scope::All } else { Scope::User }
}

/// Lets the freezer stop the running kernel thread from now on.
pub fn set_freezable() {
    current().remove_flags(TaskFlags::NOFREEZE);
    try_to_freeze();
}

/// Enters the freezer if it wants the running task, and stays until the thaw. Returns whether it did. May sleep.
pub fn try_to_freeze() -> bool {
    freeze_unless(|| false)
}

/// As [`try_to_freeze`], but leaves when `released` holds and somebody wakes it.
pub(crate) fn freeze_unless(released: impl Fn() -> bool) -> bool {
    let mut was_frozen = false;
    loop {
        if !is_wanted() {
            return was_frozen;
        }
        sched::set_current_state(state::FROZEN);
        // The thaw withdraws the wish before it wakes: either it is seen here, or the wake-up finds the state.
        if !is_wanted() || released() {
            sched::set_current_running();
            return was_frozen;
        }
        was_frozen = true;
        sched::schedule();
        sched::set_current_running();
    }
}

/// Freezes what `scope` says and waits until all of it is frozen. May sleep.
///
/// # Errors
/// EBUSY: a task did not come in 20 s; everything has been thawed again, and the log names it.
pub fn freeze(scope: Scope) -> Result<(), Errno> {
    let _one_at_a_time = FREEZER.lock();
    SCOPE.store(scope as u8, Ordering::SeqCst);
    let work = WORK.get().filter(|_| scope == Scope::All);
    if let Some(work) = work {
        (work.begin)();
    }
    let deadline = time::monotonic() + PATIENCE;
    loop {
        let straggler = ask_those_awake();
        if straggler.is_none() && !work.is_some_and(|work| (work.is_busy)()) {
            return Ok(());
        }
        if time::monotonic() >= deadline {
            match straggler {
                Some(task) => log::error!("freezing of tasks failed: {task:?} refuses to freeze"),
                None => log::error!("freezing of tasks failed: a workqueue is busy"),
            }
            thaw_all();
            return Err(Errno::EBUSY);
        }
        sched::sleep_for(PAUSE);
    }
}

/// Lets everything go on. May sleep.
pub fn thaw() {
    let _one_at_a_time = FREEZER.lock();
    thaw_all();
}

fn thaw_all() {
    SCOPE.store(Scope::Nobody as u8, Ordering::SeqCst);
    if let Some(work) = WORK.get() {
        (work.thaw)();
    }
    process::for_each_task(|task| {
        sched::wake_up_state(task, state::FROZEN);
    });
}

/// Asks every task that should be frozen and is not, and returns one of them.
fn ask_those_awake() -> Option<TaskRef> {
    let me = sched::current_ref();
    let mut awake = None;
    process::for_each_task(|task| {
        if !wants(task) || alloc::sync::Arc::ptr_eq(task, &me) || is_still(task) {
            return;
        }
        if task.is_kthread() {
            sched::wake_up(task);
        } else {
            // As if a signal had come: the task looks at what is wanted on its way back to user mode.
            task.add_signal(SIGNAL_PENDING);
            sched::wake_up_state(task, state::INTERRUPTIBLE);
            sched::kick(task);
        }
        awake = Some(task.clone());
    });
    awake
}

/// Frozen, or stopped or parked where it holds nothing and looks at the freezer before it goes on.
fn is_still(task: &TaskRef) -> bool {
    let now = task.state();
    now & (state::FROZEN | state::STOPPED | state::TRACED | state::PARKED | state::DEAD) != 0
        && now & state::OFF_QUEUE != 0
        || now & state::NEW != 0
        || is_unwoken(task)
}

/// A kernel thread that waits for its first wake-up has nothing to be interrupted in.
fn is_unwoken(task: &TaskRef) -> bool {
    crate::thread::record_of(task).is_some_and(|record| {
        !record.has(crate::thread::STARTED) && task.state() & state::OFF_QUEUE != 0
    })
}
