//! What happens to the futexes of a thread that ends.
//!
//! A thread keeps a list of the locks it holds in its own memory, and tells the kernel where. When
//! it ends without having let go of them, the kernel marks each as having lost its owner and wakes
//! a waiter. The list is user memory: it may be anything, a circle too.

use errno::{Errno, Result};
use fs::Capabilities;
use machine::user;
use process::Thread;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::operation::{exchange, wake_address};
use super::pi::{self, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use crate::current;
use crate::user::UserPtr;

/// So many locks are looked at, as in Linux: a list without an end must not hold a thread up.
const LIST_MAX: usize = 2048;

/// `struct robust_list_head`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct RobustListHead {
    /// The first entry; the head itself after the last. The lowest bit marks a PI futex, and so in
    /// each entry.
    first: usize,
    /// From an entry to its futex word.
    futex_offset: isize,
    /// An entry that is just being added or removed, or null.
    pending: usize,
}

/// `set_robust_list`.
pub fn set_robust_list(head: usize, size: usize) -> Result<usize> {
    if size != size_of::<RobustListHead>() {
        return Err(Errno::EINVAL);
    }
    Thread::of(&sched::current()).set_robust_list(head);
    Ok(0)
}

/// `get_robust_list`.
pub fn get_robust_list(pid: i32, head: UserPtr<usize>, size: UserPtr<usize>) -> Result<usize> {
    let task = current::find_task(pid)?;
    if pid != 0 && !current::credentials().capable(Capabilities::SYS_PTRACE) {
        // Where the locks are is known to the program itself, and to whoever may look into its
        // memory.
        return Err(Errno::EPERM);
    }
    size.write(&size_of::<RobustListHead>())?;
    head.write(&Thread::of(&task).robust_list())?;
    Ok(0)
}

/// What a thread owes its futexes before it leaves its memory, at its end or for another program:
/// it lets go of robust locks, and tells who waits for its end.
pub fn release_current_thread() {
    let me = sched::current();
    let thread = Thread::of(&me);
    let head = thread.robust_list();
    if head != 0 {
        thread.set_robust_list(0);
        let tid = current::tid();
        // A list that cannot be read any further is let be.
        let _ = release_list(head, tid);
    }
    pi::release_at_end(&me);
    let address = thread.clear_child_tid();
    if address != 0 {
        thread.set_clear_child_tid(0);
        // The memory may be gone; then nobody waits there either.
        if user::copy_to(address, &0u32.to_ne_bytes()).is_ok() {
            wake_address(address);
        }
    }
}

fn release_list(head: usize, tid: u32) -> Result<()> {
    let list = UserPtr::<RobustListHead>::new(head).read()?;
    let futex_of = |entry: usize| (entry & !1).wrapping_add_signed(list.futex_offset);
    let mut entry = list.first;
    for _ in 0..LIST_MAX {
        if entry & !1 == head {
            break;
        }
        // Read before the lock is let go: then the entry may be used again by another thread.
        let next = UserPtr::<usize>::new(entry & !1).read();
        if entry & !1 != list.pending & !1 {
            release_lock(futex_of(entry), tid, Entry { is_pi: entry & 1 != 0, pending: false })?;
        }
        entry = next?;
    }
    if list.pending & !1 != 0 {
        let entry = Entry { is_pi: list.pending & 1 != 0, pending: true };
        release_lock(futex_of(list.pending), tid, entry)?;
    }
    Ok(())
}

/// What an entry says of its lock.
#[derive(Clone, Copy)]
struct Entry {
    /// Its waiters wait for an owner: they are seen to by [`pi::release_at_end`].
    is_pi: bool,
    /// The thread may have died between letting go of the lock and waking its next owner.
    pending: bool,
}

fn release_lock(address: usize, tid: u32, entry: Entry) -> Result<()> {
    if !address.is_multiple_of(size_of::<u32>()) {
        return Err(Errno::EFAULT);
    }
    let word = user::load_u32(address).map_err(|_| Errno::EFAULT)?;
    if entry.pending && !entry.is_pi && word == 0 {
        wake_address(address);
        return Ok(());
    }
    let owned = |word: u32| word & FUTEX_TID_MASK == tid;
    let old = exchange(address, |word| {
        if owned(word) { (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED } else { word }
    })?;
    if owned(old) && old & FUTEX_WAITERS != 0 && !entry.is_pi {
        wake_address(address);
    }
    Ok(())
}
