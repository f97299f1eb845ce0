//! Changing who a task is.

use alloc::sync::Arc;

use fs::Credentials;

use crate::thread::Thread;
use crate::user::User;

/// Makes the running task somebody else; what it is allowed to become is the caller's question.
/// Only this thread: a program's library sees to the others.
pub fn set_credentials(credentials: Arc<Credentials>) {
    let me = sched::current();
    let thread = Thread::of(&me);
    let user = thread.user();
    let user = if user.uid() == credentials.uid { user } else { User::find(credentials.uid) };
    thread.count_for(&user);
    let old = thread.change_resources(|resources| {
        (
            core::mem::replace(&mut resources.credentials, credentials),
            core::mem::replace(&mut resources.user, user),
        )
    });
    drop(old);
}
