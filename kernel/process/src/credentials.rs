//! Changing who a task is.

use alloc::sync::Arc;

use fs::Credentials;

use crate::events::{self, Event};
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
    let new = credentials.clone();
    let (old, _user) = thread.change_resources(|resources| {
        (
            core::mem::replace(&mut resources.credentials, credentials),
            core::mem::replace(&mut resources.user, user),
        )
    });
    if events::is_watched() {
        let users = |who: &Credentials| [who.uid, who.euid, who.suid, who.fsuid];
        let groups = |who: &Credentials| [who.gid, who.egid, who.sgid, who.fsgid];
        if users(&old) != users(&new) {
            events::tell(&me, &Event::User { real: new.uid, effective: new.euid });
        }
        if groups(&old) != groups(&new) {
            events::tell(&me, &Event::Group { real: new.gid, effective: new.egid });
        }
    }
}
