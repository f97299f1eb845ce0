//! What is tried before an allocation fails.

use core::sync::atomic::{AtomicPtr, Ordering};

use errno::Errno;

use crate::frames;

/// How often the hook is asked for one allocation.
const ATTEMPTS: usize = 4;

/// The hook, a `fn() -> bool`, or null.
static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Names a function that frees memory, or starts somebody who does, when there is none left. It
/// returns whether trying again makes sense. It is called where the caller may sleep, holding no
/// lock of this crate.
pub fn set_out_of_memory_hook(hook: fn() -> bool) {
    HOOK.store(hook as *mut (), Ordering::Release);
}

/// Refuses when less memory is free than what is kept for allocations that cannot fail. Whatever makes kernel objects because a
/// program asked for them (a task, an open file, a mapping) asks here first: then the program gets the error, and the reserve is left to those who are
/// half-way. Any context.
///
/// # Errors
/// ENOMEM.
#[inline]
pub fn require_free() -> Result<(), Errno> {
    if frames::keeps_reserve() { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// Runs an allocation; if it finds nothing, takes back what other CPUs keep ready, then asks the
/// hook.
#[inline]
pub(crate) fn retry<T>(allocate: impl Fn() -> Option<T>) -> Option<T> {
    match allocate() {
        Some(it) => Some(it),
        None => retry_slowly(&allocate),
    }
}

#[cold]
fn retry_slowly<T>(allocate: &dyn Fn() -> Option<T>) -> Option<T> {
    frames::drain_caches();
    for _ in 0..ATTEMPTS {
        if let Some(it) = allocate() {
            return Some(it);
        }
        if !ask_hook() {
            break;
        }
    }
    None
}

fn ask_hook() -> bool {
    let hook = HOOK.load(Ordering::Acquire);
    if hook.is_null() || !sync::preemptible() {
        return false;
    }
    // SAFETY: the only non-null values stored are pointers to functions of this type.
    let hook: fn() -> bool = unsafe { core::mem::transmute(hook) };
    hook()
}
