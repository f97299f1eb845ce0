//! The namespaces: of process numbers, and of the host's name.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use errno::Errno;
use sched::{TaskRef, WaitQueue};
use sync::{LockClass, SpinIrqGuard, SpinLock};

use crate::numbers::{Numbers, PID_MAX_DEFAULT, PID_MAX_LIMIT, PID_MAX_MIN};
use crate::pid::Pid;
use crate::process::Process;

/// Taken inside the process table's lock; nothing is taken inside.
static NUMBERS_LOCK: LockClass = LockClass::new("pid_namespace.numbers");
/// A leaf.
static REAPER_LOCK: LockClass = LockClass::new("pid_namespace.reaper");
/// A leaf.
static UTS_LOCK: LockClass = LockClass::new("uts_namespace");

/// PID namespaces may be nested so deep.
const MAX_LEVEL: usize = 32;

/// Numbers namespaces as `/proc/PID/ns` shows them; Linux's initial ones come first.
static NEXT_INODE: AtomicU64 = AtomicU64::new(0xf000_0000);
const INITIAL_PID_INODE: u64 = 0xefff_fffc;
const INITIAL_UTS_INODE: u64 = 0xefff_fffe;

fn next_inode() -> u64 {
    NEXT_INODE.fetch_add(1, Ordering::Relaxed)
}

/// `/proc/sys/kernel/pid_max`.
static PID_MAX: AtomicU32 = AtomicU32::new(PID_MAX_DEFAULT);

/// All process numbers are below this.
pub fn pid_max() -> u32 {
    PID_MAX.load(Ordering::Relaxed)
}

/// Sets what all new process numbers will be below.
///
/// # Errors
/// EINVAL: below 301 or above 4194304.
pub fn set_pid_max(limit: u32) -> Result<(), Errno> {
    if !(PID_MAX_MIN..=PID_MAX_LIMIT).contains(&limit) {
        return Err(Errno::EINVAL);
    }
    PID_MAX.store(limit, Ordering::Relaxed);
    Ok(())
}

/// `/proc/sys/kernel/threads-max`.
static THREADS_MAX: AtomicUsize = AtomicUsize::new(usize::MAX);
/// No `threads-max` may be above this: futexes have room for so many numbers.
pub const THREADS_MAX_LIMIT: usize = 0x3fff_ffff;

/// There may be so many tasks.
pub fn max_threads() -> usize {
    THREADS_MAX.load(Ordering::Relaxed)
}

/// Sets how many tasks there may be from now on; those that there are stay.
///
/// # Errors
/// EINVAL: 0, or above [`THREADS_MAX_LIMIT`].
pub fn set_max_threads(limit: usize) -> Result<(), Errno> {
    if !(1..=THREADS_MAX_LIMIT).contains(&limit) {
        return Err(Errno::EINVAL);
    }
    THREADS_MAX.store(limit, Ordering::Relaxed);
    Ok(())
}

/// A PID namespace: its own process numbers from 1 up. What lives in it also has a number in each
/// namespace above it.
pub struct PidNamespace {
    parent: Option<Arc<Self>>,
    level: usize,
    inode: u64,
    numbers: SpinLock<Numbers<Arc<Pid>>>,
    /// The process with number 1, to whom orphans go.
    reaper: SpinLock<Option<Arc<Process>>>,
    /// Its first process has ended: nothing may start here any more.
    closed: AtomicBool,
    /// Woken for each number that becomes free: the first process, ending, waits for the others.
    freed: WaitQueue,
}

impl PidNamespace {
    fn new(parent: Option<Arc<Self>>, level: usize, inode: u64) -> Self {
        Self {
            parent,
            level,
            inode,
            numbers: SpinLock::new(&NUMBERS_LOCK, Numbers::new()),
            reaper: SpinLock::new(&REAPER_LOCK, None),
            closed: AtomicBool::new(false),
            freed: WaitQueue::new(),
        }
    }

    pub(crate) fn initial() -> Arc<Self> {
        Arc::new(Self::new(None, 0, INITIAL_PID_INODE))
    }

    /// A namespace inside this one, without a process.
    ///
    /// # Errors
    /// ENOSPC: too many inside each other.
    pub fn nested(self: &Arc<Self>) -> Result<Arc<Self>, Errno> {
        if self.level + 1 >= MAX_LEVEL {
            return Err(Errno::ENOSPC);
        }
        Ok(Arc::new(Self::new(Some(self.clone()), self.level + 1, next_inode())))
    }

    /// How deep it is; the initial one is 0.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The namespace that this one is in.
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Whether it is another one or inside it.
    pub fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut next = Some(self);
        while let Some(namespace) = next {
            if Arc::ptr_eq(namespace, other) {
                return true;
            }
            next = namespace.parent();
        }
        false
    }

    /// What `/proc/PID/ns/pid` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// What a number stands for. Any context.
    pub fn find(&self, number: u32) -> Option<Arc<Pid>> {
        self.numbers.lock_irq().get(number).cloned()
    }

    /// The first number that is at least `number` and stands for something. Walks the namespace in
    /// the order of the numbers, as `/proc` lists it. Any context.
    pub fn next_from(&self, number: u32) -> Option<(u32, Arc<Pid>)> {
        self.numbers.lock_irq().next_from(number).map(|(number, pid)| (number, pid.clone()))
    }

    /// The number that was given out last, as `/proc/loadavg` shows it.
    pub fn last_number(&self) -> u32 {
        self.numbers.lock_irq().last()
    }

    /// How many numbers are taken.
    pub fn count(&self) -> usize {
        self.numbers.lock_irq().count()
    }

    /// To whom the orphans of this namespace go: the process with number 1. None before it is there
    /// and after it has gone.
    pub fn reaper(&self) -> Option<Arc<Process>> {
        self.reaper.lock_irq().clone()
    }

    pub(crate) fn set_reaper(&self, process: Option<Arc<Process>>) {
        let old = core::mem::replace(&mut *self.reaper.lock_irq(), process);
        drop(old);
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Sleeps until at most `left` numbers are taken.
    pub(crate) fn wait_for_the_others(&self, left: usize) {
        self.freed.wait(|| self.count() <= left);
    }

    pub(crate) fn numbers(&self) -> &SpinLock<Numbers<Arc<Pid>>> {
        &self.numbers
    }

    pub(crate) fn number_was_freed(&self) {
        if self.is_closed() {
            self.freed.wake_all();
        }
    }

    pub(crate) fn take_number(&self, wanted: Option<u32>) -> Result<u32, Errno> {
        if self.is_closed() {
            return Err(Errno::ENOMEM);
        }
        let mut numbers = self.numbers.lock_irq();
        // Whoever has a number has one in the initial namespace.
        if self.parent.is_none() && numbers.count() >= max_threads() {
            return Err(Errno::EAGAIN);
        }
        match wanted {
            // Number 1 comes first: it is the one that cleans up after the others.
            Some(number) if number != 1 && self.is_without_init(&numbers) => Err(Errno::EINVAL),
            Some(number) => numbers.take_this(number, pid_max()).map(|()| number),
            None => numbers.take_next(pid_max()),
        }
    }

    fn is_without_init(&self, numbers: &SpinIrqGuard<'_, Numbers<Arc<Pid>>>) -> bool {
        numbers.count() == 0
    }
}

/// The task with a number in a namespace. Any context.
pub fn find_task_by_pid_ns(number: u32, namespace: &PidNamespace) -> Option<TaskRef> {
    namespace.find(number)?.task()
}

/// The longest host or domain name.
pub const UTS_LENGTH: usize = 64;

struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

/// A UTS namespace: the host's name.
pub struct UtsNamespace {
    inode: u64,
    names: SpinLock<Names>,
}

impl UtsNamespace {
    fn new(inode: u64, names: Names) -> Arc<Self> {
        Arc::new(Self { inode, names: SpinLock::new(&UTS_LOCK, names) })
    }

    pub(crate) fn initial() -> Arc<Self> {
        Self::new(INITIAL_UTS_INODE, Names { host: b"(none)".to_vec(), domain: b"(none)".to_vec() })
    }

    /// A namespace that starts with this one's names.
    pub fn copy(&self) -> Arc<Self> {
        let names = Names { host: self.host_name(), domain: self.domain_name() };
        Self::new(next_inode(), names)
    }

    /// What `/proc/PID/ns/uts` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The host's name.
    pub fn host_name(&self) -> Vec<u8> {
        self.names.lock_irq().host.clone()
    }

    /// The NIS domain's name.
    pub fn domain_name(&self) -> Vec<u8> {
        self.names.lock_irq().domain.clone()
    }

    /// Renames the host. Who may is the caller's question.
    ///
    /// # Errors
    /// EINVAL: longer than [`UTS_LENGTH`].
    pub fn set_host_name(&self, name: &[u8]) -> Result<(), Errno> {
        let name = checked(name)?;
        let old = core::mem::replace(&mut self.names.lock_irq().host, name);
        drop(old);
        Ok(())
    }

    /// Renames the NIS domain. Who may is the caller's question.
    ///
    /// # Errors
    /// EINVAL: longer than [`UTS_LENGTH`].
    pub fn set_domain_name(&self, name: &[u8]) -> Result<(), Errno> {
        let name = checked(name)?;
        let old = core::mem::replace(&mut self.names.lock_irq().domain, name);
        drop(old);
        Ok(())
    }
}

fn checked(name: &[u8]) -> Result<Vec<u8>, Errno> {
    if name.len() > UTS_LENGTH { Err(Errno::EINVAL) } else { Ok(name.to_vec()) }
}

/// The namespaces of a task, shared among tasks until one of them asks for its own.
#[derive(Clone)]
pub struct Namespaces {
    /// The host's name.
    pub uts: Arc<UtsNamespace>,
    /// Where the task's *children* get their numbers; its own never change.
    pub pid_for_children: Arc<PidNamespace>,
}
