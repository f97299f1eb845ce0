//! Who a task is: users, groups, capabilities.

use alloc::sync::Arc;
use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::{Capabilities, Credentials};
use process::Thread;

use crate::abi::process::{CapData, CapHeader};
use crate::current;
use crate::user::UserPtr;

/// "Leave it as it is", and no ID.
const NO_ID: u32 = u32::MAX;
/// The most supplementary groups.
const NGROUPS_MAX: usize = 65536;

/// Changes the running task's identity.
fn change(edit: impl FnOnce(&mut Credentials) -> Result<()>) -> Result<usize> {
    let old = current::credentials();
    let mut new = (*old).clone();
    edit(&mut new)?;
    process::set_credentials(Arc::new(new));
    Ok(0)
}

/// What the change of user IDs does to the privileges: who stops being the superuser loses them.
fn adjust_privileges(old: &Credentials, new: &mut Credentials) {
    let was_root = |who: &Credentials| who.uid == 0 || who.euid == 0 || who.suid == 0;
    if was_root(old) && !was_root(new) {
        if !old.keep_capabilities {
            new.permitted = Capabilities::empty();
        }
        new.effective = Capabilities::empty();
        new.ambient = Capabilities::empty();
    }
    if old.euid == 0 && new.euid != 0 {
        new.effective = Capabilities::empty();
    }
    if old.euid != 0 && new.euid == 0 {
        new.effective = new.permitted;
    }
}

/// The privileges that concern files only, which go with the file-system user.
const FILE_PRIVILEGES: Capabilities = Capabilities::CHOWN
    .union(Capabilities::DAC_OVERRIDE)
    .union(Capabilities::DAC_READ_SEARCH)
    .union(Capabilities::FOWNER)
    .union(Capabilities::FSETID)
    .union(Capabilities::MKNOD);

fn id(number: u32) -> Result<u32> {
    if number == NO_ID { Err(Errno::EINVAL) } else { Ok(number) }
}

/// `getuid`.
pub(crate) fn getuid() -> Result<usize> {
    Ok(current::credentials().uid as usize)
}

/// `geteuid`.
pub(crate) fn geteuid() -> Result<usize> {
    Ok(current::credentials().euid as usize)
}

/// `getgid`.
pub(crate) fn getgid() -> Result<usize> {
    Ok(current::credentials().gid as usize)
}

/// `getegid`.
pub(crate) fn getegid() -> Result<usize> {
    Ok(current::credentials().egid as usize)
}

/// Checks a wanted ID: one that the caller has already, or any for the privileged.
fn may_become(privileged: bool, wanted: u32, own: &[u32]) -> Result<()> {
    if wanted == NO_ID || privileged || own.contains(&wanted) { Ok(()) } else { Err(Errno::EPERM) }
}

fn set(place: &mut u32, wanted: u32) {
    if wanted != NO_ID {
        *place = wanted;
    }
}

/// `setuid`.
pub(crate) fn setuid(uid: u32) -> Result<usize> {
    let uid = id(uid)?;
    change(|new| {
        let old = new.clone();
        if new.capable(Capabilities::SETUID) {
            new.uid = uid;
            new.suid = uid;
        } else if uid != new.uid && uid != new.suid {
            return Err(Errno::EPERM);
        }
        new.euid = uid;
        new.fsuid = uid;
        adjust_privileges(&old, new);
        Ok(())
    })
}

/// `setgid`.
pub(crate) fn setgid(gid: u32) -> Result<usize> {
    let gid = id(gid)?;
    change(|new| {
        if new.capable(Capabilities::SETGID) {
            new.gid = gid;
            new.sgid = gid;
        } else if gid != new.gid && gid != new.sgid {
            return Err(Errno::EPERM);
        }
        new.egid = gid;
        new.fsgid = gid;
        Ok(())
    })
}

/// `setreuid`.
pub(crate) fn setreuid(real: u32, effective: u32) -> Result<usize> {
    change(|new| {
        let old = new.clone();
        let privileged = new.capable(Capabilities::SETUID);
        may_become(privileged, real, &[old.uid, old.euid])?;
        may_become(privileged, effective, &[old.uid, old.euid, old.suid])?;
        set(&mut new.uid, real);
        set(&mut new.euid, effective);
        if real != NO_ID || effective != NO_ID && effective != old.uid {
            new.suid = new.euid;
        }
        new.fsuid = new.euid;
        adjust_privileges(&old, new);
        Ok(())
    })
}

/// `setregid`.
pub(crate) fn setregid(real: u32, effective: u32) -> Result<usize> {
    change(|new| {
        let old = new.clone();
        let privileged = new.capable(Capabilities::SETGID);
        may_become(privileged, real, &[old.gid, old.egid])?;
        may_become(privileged, effective, &[old.gid, old.egid, old.sgid])?;
        set(&mut new.gid, real);
        set(&mut new.egid, effective);
        if real != NO_ID || effective != NO_ID && effective != old.gid {
            new.sgid = new.egid;
        }
        new.fsgid = new.egid;
        Ok(())
    })
}

/// `setresuid`.
pub(crate) fn setresuid(real: u32, effective: u32, saved: u32) -> Result<usize> {
    change(|new| {
        let old = new.clone();
        let privileged = new.capable(Capabilities::SETUID);
        for wanted in [real, effective, saved] {
            may_become(privileged, wanted, &[old.uid, old.euid, old.suid])?;
        }
        set(&mut new.uid, real);
        set(&mut new.euid, effective);
        set(&mut new.suid, saved);
        new.fsuid = new.euid;
        adjust_privileges(&old, new);
        Ok(())
    })
}

/// `setresgid`.
pub(crate) fn setresgid(real: u32, effective: u32, saved: u32) -> Result<usize> {
    change(|new| {
        let old = new.clone();
        let privileged = new.capable(Capabilities::SETGID);
        for wanted in [real, effective, saved] {
            may_become(privileged, wanted, &[old.gid, old.egid, old.sgid])?;
        }
        set(&mut new.gid, real);
        set(&mut new.egid, effective);
        set(&mut new.sgid, saved);
        new.fsgid = new.egid;
        Ok(())
    })
}

/// `getresuid`.
pub(crate) fn getresuid(
    real: UserPtr<u32>,
    effective: UserPtr<u32>,
    saved: UserPtr<u32>,
) -> Result<usize> {
    let who = current::credentials();
    real.write(&who.uid)?;
    effective.write(&who.euid)?;
    saved.write(&who.suid)?;
    Ok(0)
}

/// `getresgid`.
pub(crate) fn getresgid(
    real: UserPtr<u32>,
    effective: UserPtr<u32>,
    saved: UserPtr<u32>,
) -> Result<usize> {
    let who = current::credentials();
    real.write(&who.gid)?;
    effective.write(&who.egid)?;
    saved.write(&who.sgid)?;
    Ok(0)
}

/// `setfsuid`: what it was; it tells of no failure.
pub(crate) fn setfsuid(uid: u32) -> Result<usize> {
    let old = current::credentials();
    let own = [old.uid, old.euid, old.suid, old.fsuid];
    if uid != NO_ID && may_become(old.capable(Capabilities::SETUID), uid, &own).is_ok() {
        change(|new| {
            if new.fsuid == 0 && uid != 0 {
                new.effective.remove(FILE_PRIVILEGES);
            } else if new.fsuid != 0 && uid == 0 {
                new.effective |= new.permitted & FILE_PRIVILEGES;
            }
            new.fsuid = uid;
            Ok(())
        })?;
    }
    Ok(old.fsuid as usize)
}

/// `setfsgid`: what it was; it tells of no failure.
pub(crate) fn setfsgid(gid: u32) -> Result<usize> {
    let old = current::credentials();
    let own = [old.gid, old.egid, old.sgid, old.fsgid];
    if gid != NO_ID && may_become(old.capable(Capabilities::SETGID), gid, &own).is_ok() {
        change(|new| {
            new.fsgid = gid;
            Ok(())
        })?;
    }
    Ok(old.fsgid as usize)
}

/// `getgroups`.
pub(crate) fn getgroups(size: i32, list: UserPtr<u32>) -> Result<usize> {
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let groups = current::credentials().groups.clone();
    if size != 0 {
        if groups.len() > size {
            return Err(Errno::EINVAL);
        }
        for (index, group) in groups.iter().enumerate() {
            list.at(index)?.write(group)?;
        }
    }
    Ok(groups.len())
}

/// `setgroups`.
pub(crate) fn setgroups(size: i32, list: UserPtr<u32>) -> Result<usize> {
    current::credentials().require(Capabilities::SETGID)?;
    let size =
        usize::try_from(size).ok().filter(|&size| size <= NGROUPS_MAX).ok_or(Errno::EINVAL)?;
    let mut groups: Vec<u32> = list.read_many(size)?;
    if groups.contains(&NO_ID) {
        return Err(Errno::EINVAL);
    }
    groups.sort_unstable();
    change(|new| {
        new.groups = Arc::from(groups);
        Ok(())
    })
}

const CAPABILITY_VERSION_1: u32 = 0x1998_0330;
const CAPABILITY_VERSION_2: u32 = 0x2007_1026;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// How many words of 32 bits a version has. A caller with another version is told ours.
fn words_of(header: UserPtr<CapHeader>, given: &mut CapHeader) -> Result<usize> {
    match given.version {
        CAPABILITY_VERSION_1 => Ok(1),
        CAPABILITY_VERSION_2 | CAPABILITY_VERSION_3 => Ok(2),
        _ => {
            given.version = CAPABILITY_VERSION_3;
            header.write(given)?;
            Err(Errno::EINVAL)
        }
    }
}

/// `capget`.
pub(crate) fn capget(header: UserPtr<CapHeader>, data: UserPtr<CapData>) -> Result<usize> {
    let mut given = header.read()?;
    let words = match words_of(header, &mut given) {
        // Asking for the version alone.
        Err(Errno::EINVAL) if data.is_null() => return Ok(0),
        words => words?,
    };
    if data.is_null() {
        return Ok(0);
    }
    let task = current::find_task(given.pid)?;
    let who = Thread::of(&task).credentials();
    for word in 0..words {
        let part = |set: Capabilities| (set.bits() >> (32 * word)) as u32;
        data.at(word)?.write(&CapData {
            effective: part(who.effective),
            permitted: part(who.permitted),
            inheritable: part(who.inheritable),
        })?;
    }
    Ok(0)
}

/// `capset`: for the caller itself only.
pub(crate) fn capset(header: UserPtr<CapHeader>, data: UserPtr<CapData>) -> Result<usize> {
    let mut given = header.read()?;
    let words = words_of(header, &mut given)?;
    if given.pid != 0 && given.pid != current::tid() as i32 {
        return Err(Errno::EPERM);
    }
    let (mut effective, mut permitted, mut inheritable) = (0u64, 0u64, 0u64);
    for word in 0..words {
        let part = data.at(word)?.read()?;
        let shifted = |bits: u32| u64::from(bits) << (32 * word);
        effective |= shifted(part.effective);
        permitted |= shifted(part.permitted);
        inheritable |= shifted(part.inheritable);
    }
    let known = |bits| Capabilities::from_bits_retain(bits) & Capabilities::FULL;
    let (effective, permitted, inheritable) =
        (known(effective), known(permitted), known(inheritable));
    change(|new| {
        let may_inherit = new.inheritable | new.permitted;
        let any_inheritable = new.capable(Capabilities::SETPCAP);
        if !any_inheritable && !may_inherit.contains(inheritable)
            || !(new.inheritable | new.bounding).contains(inheritable)
            || !new.permitted.contains(permitted)
            || !permitted.contains(effective)
        {
            return Err(Errno::EPERM);
        }
        new.effective = effective;
        new.permitted = permitted;
        new.inheritable = inheritable;
        new.ambient &= permitted & inheritable;
        Ok(())
    })
}
