//! Which socket has which name.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use errno::{Errno, Result};
use fs::{Access, Caller, FileType, LookupFlags, NodeKind, Path, Start};
use sync::{LockClass, SpinLock};

use crate::address::Address;
use crate::socket::{Kind, Socket};

/// A leaf.
static NAMES_LOCK: LockClass = LockClass::new("unix.names");

/// What a name is found by. A bound socket keeps its file's place, so that the file's number stays its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The file's device and number.
    File(u64, u64),
    Abstract(Vec<u8>),
}

static NAMES: SpinLock<BTreeMap<Key, Weak<Socket>>> = SpinLock::new(&NAMES_LOCK, BTreeMap::new());

/// A name that a socket has; free again when this is dropped.
pub(crate) struct Bound {
    key: Key,
    pub(crate) address: Arc<Address>,
    /// Keeps the file's inode for as long as it stands for this socket.
    _place: Option<Path>,
}

impl Bound {
    /// Gives a socket a name; `Unnamed` means any.
    ///
    /// # Errors
    /// EADDRINUSE. As `mknod` for a path.
    pub(crate) fn new(socket: &Socket, address: Address, caller: &Caller<'_>) -> Result<Self> {
        match address {
            Address::Unnamed => Self::any(socket),
            Address::Abstract(name) => {
                let key = Key::Abstract(name.clone());
                Self::enter(socket, key, Address::Abstract(name), None)
            }
            Address::Path(path) => {
                let made = caller.make_node(&Start::Cwd, &path, NodeKind::Socket, 0o777);
                made.map_err(|error| match error {
                    Errno::EEXIST => Errno::EADDRINUSE,
                    other => other,
                })?;
                let place = caller.lookup(&Start::Cwd, &path, LookupFlags::empty())?;
                let key = key_of(&place)?;
                Self::enter(socket, key, Address::Path(path), Some(place))
            }
        }
    }

    /// A name that nobody has, of five digits.
    fn any(socket: &Socket) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        const NAMES_MAX: u32 = 1 << 20;
        for _ in 0..NAMES_MAX {
            let number = NEXT.fetch_add(1, Ordering::Relaxed) % NAMES_MAX;
            let name = format!("{number:05x}").into_bytes();
            match Self::enter(socket, Key::Abstract(name.clone()), Address::Abstract(name), None) {
                Err(Errno::EADDRINUSE) => {}
                outcome => return outcome,
            }
        }
        Err(Errno::ENOSPC)
    }

    fn enter(socket: &Socket, key: Key, address: Address, place: Option<Path>) -> Result<Self> {
        let mut names = NAMES.lock();
        if names.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        names.insert(key.clone(), socket.me.clone());
        drop(names);
        Ok(Self { key, address: Arc::new(address), _place: place })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let removed = NAMES.lock().remove(&self.key);
        drop(removed);
    }
}

fn key_of(place: &Path) -> Result<Key> {
    let stat = place.inode().stat()?;
    Ok(Key::File(stat.device.encode(), stat.inode))
}

/// The socket with a name, of a kind.
///
/// # Errors
/// ECONNREFUSED: nobody has it. EPROTOTYPE: it is of another kind. EINVAL: unnamed. For a path as `lookup`, and
/// EACCES: it may not be written to.
pub(crate) fn find(address: &Address, kind: Kind, caller: &Caller<'_>) -> Result<Arc<Socket>> {
    let key = match address {
        Address::Unnamed => return Err(Errno::EINVAL),
        Address::Abstract(name) => Key::Abstract(name.clone()),
        Address::Path(path) => {
            let place = caller.lookup(&Start::Cwd, path, LookupFlags::FOLLOW)?;
            caller.check(&place, Access::WRITE)?;
            if place.inode().file_type() != FileType::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            key_of(&place)?
        }
    };
    let found = NAMES.lock().get(&key).and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)?;
    if found.kind() == kind { Ok(found) } else { Err(Errno::EPROTOTYPE) }
}
