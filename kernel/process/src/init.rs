//! The first process: the boot CPU's idle task becomes the ancestor of all.

use alloc::sync::Arc;

use fs::{Credentials, FileTable, FsContext};
use sched::{Slot, TaskRef};
use sync::Once;

use crate::namespace::{Namespaces, PidNamespace, UtsNamespace, set_max_threads};
use crate::pid::Pid;
use crate::process::{NewProcess, Process};
use crate::rlimit::Limits;
use crate::signal::{SigSet, Sighand, ThreadSignals};
use crate::table::tasklist;
use crate::thread::{NewThread, Resources, Thread};
use crate::user::User;

static INITIAL: Once<Arc<Namespaces>> = Once::new();
static FIRST: Once<TaskRef> = Once::new();

/// Makes the running idle task the first process: number 0, its own parent, in
/// session and group 0. What it
/// has, its children inherit. Once, on the boot CPU, after the scheduler has been started.
pub fn init() {
    let namespaces = Arc::new(Namespaces {
        uts: UtsNamespace::initial(),
        pid_for_children: PidNamespace::initial(),
    });
    let fresh = INITIAL.set(namespaces.clone()).is_ok();
    assert!(fresh, "the first process is made once");
    sched::set_tick_hook(crate::cpu_timer::tick);
    set_max_threads(threads_in_memory()).expect("it is in bounds");
    let pid = Arc::new(Pid::idle());
    let now = time::monotonic();
    let process = Process::new(NewProcess {
        pid: pid.clone(),
        sighand: Sighand::new(),
        limits: Arc::new(Limits::initial(threads_in_memory() as u64)),
        exit_signal: 0,
        has_subreaper: false,
        oom_score_adj: 0,
        start_time: now,
    });
    let credentials = Credentials::root();
    let thread = Thread::new(NewThread {
        pid: pid.clone(),
        process: process.clone(),
        signals: ThreadSignals::new(SigSet::EMPTY),
        files: Some(FileTable::new()),
        resources: Resources {
            user: User::find(credentials.uid),
            credentials,
            fs: None,
            mm: None,
            namespaces,
        },
        vfork_done: None,
        personality: 0,
        start_time: now,
    });
    let me = sched::current_ref();
    me.attach(Slot::Process, thread);
    process.thread_starts();
    process.signals().lock_irq().add_thread(&me);
    tasklist().add_first(process).expect("memory for the first process");
    let _ = FIRST.set(me);
}

/// What the first process has.
pub(crate) fn initial_resources() -> Resources {
    Thread::of(first()).resources()
}

/// The first process's open files.
pub(crate) fn initial_files() -> Option<Arc<FileTable>> {
    Thread::of(first()).files()
}

fn first() -> &'static TaskRef {
    FIRST.get().expect("the first process is made before any other")
}

/// Gives the first process and all kernel threads that there are their root and working directory,
/// once there is a root file system; those whom they make inherit it, and who has one of its own keeps that. Called by PID 1.
pub fn set_root(fs: &Arc<FsContext>) {
    let give = |task: &TaskRef| {
        let thread = Thread::of(task);
        if thread.fs().is_none() {
            drop(thread.set_fs(Some(fs.clone())));
        }
    };
    if let Some(first) = FIRST.get() {
        give(first);
    }
    crate::for_each_task(give);
}

/// How many tasks the machine's memory allows, an eighth of it for their stacks.
fn threads_in_memory() -> usize {
    (memory::total_bytes() / (8 * machine::thread::STACK_SIZE))
        .clamp(20, crate::PID_MAX_LIMIT as usize)
}

fn initial() -> &'static Arc<Namespaces> {
    INITIAL.get().expect("the first process is made before any other")
}

/// The initial PID namespace.
pub fn init_pid_ns() -> &'static Arc<PidNamespace> {
    &initial().pid_for_children
}

/// The initial UTS namespace.
pub fn init_uts_ns() -> &'static Arc<UtsNamespace> {
    &initial().uts
}
