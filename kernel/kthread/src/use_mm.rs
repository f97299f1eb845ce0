//! A kernel thread takes on a user address space for a while.

use alloc::sync::Arc;

use core::marker::PhantomData;
use errno::Errno;
use vm::Mm;

/// While this lives, the running kernel thread works in a user address space: copies to and from user memory reach it,
/// page faults included. Dropping it gives the space back (`unuse_mm`).
pub struct UseMm {
    not_send: PhantomData<*const ()>,
}

impl UseMm {
    /// Takes the address space on. May sleep.
    ///
    /// # Errors
    /// EINVAL: the running task is not a kernel thread, or has taken one on already.
    pub fn new(mm: Arc<Mm>) -> Result<Self, Errno> {
        let me = sched::current();
        if !me.is_kthread() || me.address_space().is_some() {
            return Err(Errno::EINVAL);
        }
        let space = mm.address_space().clone();
        process::set_current_mm(Some(mm));
        sched::use_address_space(Some(space));
        Ok(Self { not_send: PhantomData })
    }
}

impl Drop for UseMm {
    fn drop(&mut self) {
        sched::use_address_space(None);
        process::set_current_mm(None);
    }
}
