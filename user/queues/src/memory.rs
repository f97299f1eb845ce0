//! System V's shared memory.

use crate::calls::{self, Outcome, outcome};
use libc::{
    EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM, IPC_CREAT, IPC_EXCL, IPC_PRIVATE, IPC_RMID,
    IPC_STAT, SHM_RDONLY, SHM_REMAP, SHM_RND, c_int,
};
use std::io::{Read, Write, pipe};
use std::mem::zeroed;
use std::ptr;

const KEY: c_int = 0x4ed2;
const PAGE: usize = 4096;
const SHM_DEST: u16 = 0o1000;

fn get(key: c_int, size: usize, flags: c_int) -> Outcome<c_int> {
    // SAFETY: numbers only.
    outcome(unsafe { libc::shmget(key, size, flags) })
}

fn attach(segment: c_int, address: usize, flags: c_int) -> Outcome<*mut u8> {
    // SAFETY: what is there already is replaced only where this program says so.
    let place = unsafe { libc::shmat(segment, address as *const _, flags) };
    outcome(place as isize).map(|_| place.cast())
}

fn detach(place: *mut u8) -> Outcome<c_int> {
    // SAFETY: nothing points there any more.
    outcome(unsafe { libc::shmdt(place.cast()) })
}

fn status(segment: c_int) -> Outcome<libc::shmid_ds> {
    // SAFETY: valid as zeros.
    let mut status = unsafe { zeroed() };
    // SAFETY: writes to `status`.
    outcome(unsafe { libc::shmctl(segment, IPC_STAT, &mut status) })?;
    Ok(status)
}

fn attached(segment: c_int) -> u64 {
    status(segment).unwrap().shm_nattch
}

fn remove(segment: c_int) -> Outcome<c_int> {
    // SAFETY: numbers only.
    outcome(unsafe { libc::shmctl(segment, IPC_RMID, ptr::null_mut()) })
}

fn load(place: *mut u8, offset: usize) -> u8 {
    // SAFETY: within what is attached.
    unsafe { place.add(offset).read_volatile() }
}

fn store(place: *mut u8, offset: usize, value: u8) {
    // SAFETY: within what is attached for writing.
    unsafe { place.add(offset).write_volatile(value) }
}

/// Two places of one memory; a child's own.
pub(crate) fn attaching() {
    let segment = get(KEY, 3 * PAGE - 100, IPC_CREAT | IPC_EXCL | 0o600).unwrap();
    assert_eq!(get(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0o600), Err(EEXIST));
    assert_eq!(get(KEY, 3 * PAGE, 0), Err(EINVAL), "larger than it is");
    assert_eq!(get(KEY, 0, 0), Ok(segment));
    let one = attach(segment, 0, 0).unwrap();
    let other = attach(segment, 0, SHM_RDONLY).unwrap();
    assert_eq!(attached(segment), 2);
    store(one, 2 * PAGE + 5, 7);
    assert_eq!((load(other, 2 * PAGE + 5), load(other, 0)), (7, 0));
    calls::wait(calls::fork(move || {
        assert_eq!(attached(segment), 4);
        store(one, 1, 9);
        // One in the middle of it goes.
        // SAFETY: nothing points there.
        assert_eq!(unsafe { libc::munmap(one.add(PAGE).cast(), PAGE) }, 0);
        detach(one).unwrap();
        assert_eq!(attached(segment), 3);
        assert_eq!(detach(one), Err(EINVAL));
    }));
    assert_eq!((attached(segment), load(one, 1)), (2, 9));
    // SAFETY: the place is attached for reading only.
    let protect = unsafe { libc::mprotect(other.cast(), PAGE, libc::PROT_WRITE) };
    assert_eq!(outcome(protect), Err(EACCES));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert_eq!(maps.matches("/SYSV00004ed2 (deleted)").count(), 2, "{maps}");
    assert_eq!(attach(segment, one as usize, 0), Err(EINVAL), "something is there");
    assert_eq!(attach(segment, one as usize + 1, 0), Err(EINVAL));
    assert_eq!(attach(segment, 0, SHM_REMAP), Err(EINVAL));
    assert_eq!(attach(segment, other as usize + 1, SHM_REMAP | SHM_RND), Ok(other));
    assert_eq!(attached(segment), 2);
    store(other, 0, 3);
    detach(other).unwrap();
    assert_eq!(load(one, 0), 3);
    detach(one).unwrap();
    assert_eq!(detach(one), Err(EINVAL));
    assert_eq!(attached(segment), 0);
    remove(segment).unwrap();
    println!("memory attached");
}

/// It goes with its last attachment, and is found by its key no more before that.
pub(crate) fn removal() {
    let segment = get(KEY, PAGE, IPC_CREAT | 0o600).unwrap();
    let place = attach(segment, 0, 0).unwrap();
    store(place, 0, 5);
    remove(segment).unwrap();
    assert_eq!(get(KEY, PAGE, 0), Err(ENOENT));
    let now = status(segment).unwrap();
    assert_eq!((now.shm_perm.mode & SHM_DEST, now.shm_perm.__key), (SHM_DEST, 0));
    let again = attach(segment, 0, 0).unwrap();
    assert_eq!(load(again, 0), 5);
    detach(again).unwrap();
    let (mut reader, mut writer) = pipe().unwrap();
    let child = calls::fork(|| reader.read_exact(&mut [0]).unwrap());
    detach(place).unwrap();
    assert_eq!(attached(segment), 1, "the child has it");
    writer.write_all(b"x").unwrap();
    calls::wait(child);
    assert_eq!(status(segment).err(), Some(EINVAL));
    println!("memory removed");
}

/// Who may not, and what may not be.
pub(crate) fn refused() {
    assert_eq!(get(IPC_PRIVATE, 0, 0o600), Err(EINVAL));
    let segment = get(IPC_PRIVATE, PAGE, 0o604).unwrap();
    calls::as_somebody(move || {
        assert_eq!(attach(segment, 0, 0), Err(EACCES));
        let place = attach(segment, 0, SHM_RDONLY).unwrap();
        assert_eq!(load(place, 0), 0);
        assert_eq!(remove(segment), Err(EPERM));
    });
    assert_eq!(attached(segment), 0, "it ended with the place attached");
    remove(segment).unwrap();
    assert_eq!(attach(segment, 0, 0), Err(EINVAL));
    let before = calls::set("/proc/sys/kernel/shmmax", "8192");
    assert_eq!(get(IPC_PRIVATE, 8193, 0o600), Err(EINVAL));
    calls::set("/proc/sys/kernel/shmmax", &before);
    let before = calls::set("/proc/sys/kernel/shmall", "2");
    assert_eq!(get(IPC_PRIVATE, 3 * PAGE, 0o600), Err(ENOSPC));
    calls::set("/proc/sys/kernel/shmall", &before);
    println!("memory refused");
}
