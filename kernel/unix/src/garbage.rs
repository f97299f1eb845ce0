//! Files in flight: counted, and collected when nobody can receive them any more.
//!
//! A socket may be sent through a socket, also through itself, and then be closed: its file is held by a message
//! in an inbox that can only be read through that file. Nobody will. Such files are found by counting: a
//! socket's file that is held by messages alone, all of them in the inboxes of sockets of which the same is true,
//! is garbage, and so are those messages.
//!
//! The counting is done with `unix.flying` held, without which no file takes off or lands. So a file that had no holder but
//! messages when it was looked at gets none meanwhile: whoever wanted to hold it would have to receive it. A
//! message that is just being received is in no inbox and counts as held from outside, which errs on the safe side.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use ::socket::of_family;
use errno::{Errno, Result};
use fs::{Capabilities, File};
use process::Resource;
use sync::{LockClass, SpinLock};

use crate::message::Message;
use crate::socket::Socket;

/// Taken before `unix.inbox`.
static FLYING_LOCK: LockClass = LockClass::new("unix.flying");

/// Sockets may be in messages of sockets in messages of sockets so deep: their end is told by recursion.
const DEPTH_MAX: usize = 4;

/// A socket with files of its own in flight.
struct Flyer {
    socket: Weak<Socket>,
    file: Weak<File>,
    /// In how many messages its file is.
    count: usize,
}

struct All {
    /// By the socket's address.
    sockets: BTreeMap<usize, Flyer>,
    /// How many files each user has in flight.
    by_user: BTreeMap<u32, usize>,
}

static ALL: SpinLock<All> =
    SpinLock::new(&FLYING_LOCK, All { sockets: BTreeMap::new(), by_user: BTreeMap::new() });

fn key(socket: &Arc<Socket>) -> usize {
    Arc::as_ptr(socket) as usize
}

/// How deep a message with these files goes: the inboxes of its sockets have such messages in turn.
///
/// # Errors
/// ETOOMANYREFS: deeper than there may be.
pub(crate) fn depth_of(files: &[Arc<File>]) -> Result<usize> {
    let below = |file: &Arc<File>| {
        of_family(file).map(|socket: Arc<Socket>| {
            socket.forget_depth();
            socket.depth.load(Ordering::Relaxed) + 1
        })
    };
    let depth = files.iter().filter_map(below).max().unwrap_or(0);
    if depth > DEPTH_MAX { Err(Errno::ETOOMANYREFS) } else { Ok(depth) }
}

/// The files in a message.
pub(crate) struct Flying {
    files: Vec<Arc<File>>,
    user: u32,
    depth: usize,
}

impl Flying {
    pub(crate) const fn none() -> Self {
        Self { files: Vec::new(), user: 0, depth: 0 }
    }

    /// Files take off.
    ///
    /// # Errors
    /// ETOOMANYREFS: the user has more in flight than may be open.
    pub(crate) fn new(files: Vec<Arc<File>>, depth: usize) -> Result<Self> {
        if files.is_empty() {
            return Ok(Self::none());
        }
        let credentials = process::credentials();
        let limit = process::current_process().limit(Resource::Files).soft;
        let unlimited = credentials.capable(Capabilities::SYS_RESOURCE)
            || credentials.capable(Capabilities::SYS_ADMIN);
        let mut all = ALL.lock();
        let flying = all.by_user.entry(credentials.uid).or_insert(0);
        if !unlimited && *flying as u64 + files.len() as u64 > limit {
            drop(all);
            return Err(Errno::ETOOMANYREFS);
        }
        *flying += files.len();
        for file in &files {
            let Some(socket) = of_family(file) else { continue };
            let flyer =
                || Flyer { socket: Arc::downgrade(&socket), file: Arc::downgrade(file), count: 0 };
            all.sockets.entry(key(&socket)).or_insert_with(flyer).count += 1;
        }
        Ok(Self { files, user: credentials.uid, depth })
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Files land: they are the receiver's.
    pub(crate) fn land(&mut self) -> Vec<Arc<File>> {
        let files = core::mem::take(&mut self.files);
        if files.is_empty() {
            return files;
        }
        let mut gone: Vec<Flyer> = Vec::new();
        let mut all = ALL.lock();
        if let Some(flying) = all.by_user.get_mut(&self.user) {
            *flying -= files.len();
            if *flying == 0 {
                all.by_user.remove(&self.user);
            }
        }
        for file in &files {
            let Some(socket) = of_family(file) else { continue };
            if let Some(flyer) = all.sockets.get_mut(&key(&socket)) {
                flyer.count -= 1;
                if flyer.count == 0 {
                    gone.extend(all.sockets.remove(&key(&socket)));
                }
            }
        }
        drop(all);
        drop(gone);
        files
    }

    /// More holders of the same files, for who only looks at the message.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn copies(&self) -> Result<Vec<Arc<File>>> {
        // With the lock, as landing: a collection must not see a file without this holder.
        let all = ALL.lock();
        let mut copies = Vec::new();
        let reserved = copies.try_reserve_exact(self.files.len());
        if reserved.is_ok() {
            copies.extend(self.files.iter().cloned());
        }
        drop(all);
        reserved.map(|()| copies).map_err(|_| Errno::ENOMEM)
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        drop(self.land());
    }
}

/// A socket that is held by messages alone.
struct Candidate {
    socket: Arc<Socket>,
    /// Of its holders, those that are not messages in inboxes of candidates.
    outside: usize,
    reachable: bool,
}

/// Collects what nobody can reach. Called when a socket has been closed: only that makes garbage. May sleep.
pub(crate) fn collect() {
    /// One collection at a time; those that end within one have made what the next will find.
    static RUNNING: AtomicBool = AtomicBool::new(false);
    if ALL.lock().sockets.is_empty() || RUNNING.swap(true, Ordering::Acquire) {
        return;
    }
    let garbage = find_garbage();
    RUNNING.store(false, Ordering::Release);
    // Closes what was in the messages, and so the sockets themselves.
    drop(garbage);
}

fn find_garbage() -> Vec<Message> {
    let mut garbage = Vec::new();
    let all = ALL.lock();
    let mut candidates: BTreeMap<usize, Candidate> = BTreeMap::new();
    for (&key, flyer) in &all.sockets {
        if flyer.file.strong_count() == flyer.count
            && let Some(socket) = flyer.socket.upgrade()
        {
            let candidate = Candidate { socket, outside: flyer.count, reachable: false };
            candidates.insert(key, candidate);
        }
    }
    let inboxes: Vec<(usize, Vec<usize>)> = candidates
        .iter()
        .map(|(&key, candidate)| (key, sockets_in_messages(&candidate.socket)))
        .collect();
    for key in inboxes.iter().flat_map(|(_, inside)| inside) {
        if let Some(candidate) = candidates.get_mut(key) {
            candidate.outside = candidate.outside.saturating_sub(1);
        }
    }
    let outside = |(&key, candidate): (&usize, &Candidate)| (candidate.outside > 0).then_some(key);
    let mut reached: Vec<usize> = candidates.iter().filter_map(outside).collect();
    while let Some(key) = reached.pop() {
        let Some(candidate) = candidates.get_mut(&key).filter(|candidate| !candidate.reachable)
        else {
            continue;
        };
        candidate.reachable = true;
        if let Ok(place) = inboxes.binary_search_by_key(&key, |(key, _)| *key) {
            reached.extend_from_slice(&inboxes[place].1);
        }
    }
    for candidate in candidates.values().filter(|candidate| !candidate.reachable) {
        garbage.extend(candidate.socket.inbox.empty());
    }
    drop(all);
    // The candidates' sockets are let go of without the lock: the last to hold one ends it.
    drop(candidates);
    garbage
}

/// The sockets whose files are in the messages that a socket has not read.
fn sockets_in_messages(socket: &Socket) -> Vec<usize> {
    let mut found = Vec::new();
    socket.inbox.for_each(|message| {
        let files = message.extra.iter().flat_map(|extra| &extra.files.files);
        found.extend(files.filter_map(|file| of_family(file)).map(|socket| key(&socket)));
    });
    found
}
