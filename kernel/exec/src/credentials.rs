//! Who a program runs as.

use alloc::sync::Arc;

use errno::Result;
use fs::{Capabilities, Credentials, File, MountFlags, S_ISGID, S_ISUID};

/// Group execution: without it, the set-group-ID bit is a mark for locking.
const S_IXGRP: u32 = 0o010;

/// The identity of a program that `old` executes.
pub(crate) struct NewIdentity {
    /// Who it is.
    pub credentials: Arc<Credentials>,
    /// It has rights that its caller had not: it must not trust its environment (AT_SECURE).
    pub secure: bool,
}

/// Works out who a program's file makes its caller. `trusted`: nobody watches or shares the process
/// who could use the rights that a set-ID bit gives.
///
/// # Errors
/// Those of the file's `stat`.
pub(crate) fn of_program(
    old: &Arc<Credentials>,
    file: &File,
    trusted: bool,
) -> Result<NewIdentity> {
    let stat = file.inode().stat()?;
    let set_ids = trusted
        && !old.no_new_privileges
        && !file.path().mount().flags().contains(MountFlags::NOSUID);
    let mut new = (**old).clone();
    if set_ids && stat.permissions & S_ISUID != 0 {
        new.euid = stat.uid;
    }
    if set_ids && stat.permissions & S_ISGID != 0 && stat.permissions & S_IXGRP != 0 {
        new.egid = stat.gid;
    }
    let changed = new.euid != old.euid || new.egid != old.egid;
    new.suid = new.euid;
    new.fsuid = new.euid;
    new.sgid = new.egid;
    new.fsgid = new.egid;
    new.keep_capabilities = false;
    grant(&mut new, changed);
    let secure = changed || new.euid != new.uid || new.egid != new.gid;
    Ok(NewIdentity { credentials: Arc::new(new), secure })
}

/// The privileges after `execve`. Files carry none here, so only the superuser's and the ambient
/// ones remain.
fn grant(new: &mut Credentials, changed: bool) {
    if changed {
        new.ambient = Capabilities::empty();
    }
    if new.euid == 0 || new.uid == 0 {
        new.permitted = new.bounding | new.inheritable;
        new.effective = if new.euid == 0 { new.permitted } else { new.ambient };
    } else {
        new.permitted = new.ambient;
        new.effective = new.ambient;
    }
}
