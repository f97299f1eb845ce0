//! The socket itself: how it comes to be, is named, listens, and ends.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};

use ::socket::{Identity, Options, Shutdown, Type};
use errno::{Errno, Result};
use fs::Caller;
use sched::{Mutex, WaitQueue};
use sync::{LockClass, SpinLock};

use crate::account::Account;
use crate::address::Address;
use crate::inbox::Inbox;
use crate::names::Bound;

/// A leaf.
static STATE_LOCK: LockClass = LockClass::new("unix.state");
/// Held while a message is copied to its reader.
static READING_LOCK: LockClass = LockClass::new("unix.reading");

/// The longest backlog (`/proc/sys/net/core/somaxconn`).
const BACKLOG_MAX: usize = 4096;

/// The kinds of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SOCK_STREAM`: a connection, bytes without bounds.
    Stream,
    /// `SOCK_DGRAM`: messages, to whom each says.
    Datagram,
    /// `SOCK_SEQPACKET`: a connection, messages.
    Sequenced,
}

impl Kind {
    /// The kind of a type. A raw socket is a datagram socket by another name.
    pub(crate) const fn of(kind: Type) -> Self {
        match kind {
            Type::Stream => Self::Stream,
            Type::Datagram | Type::Raw => Self::Datagram,
            Type::Sequenced => Self::Sequenced,
        }
    }

    /// Its type.
    pub(crate) const fn to_type(self) -> Type {
        match self {
            Self::Stream => Type::Stream,
            Self::Datagram => Type::Datagram,
            Self::Sequenced => Type::Sequenced,
        }
    }

    pub(crate) const fn connects(self) -> bool {
        !matches!(self, Self::Datagram)
    }
}

/// What a socket is tied to.
pub(crate) enum Connection {
    /// Nothing yet, or no more.
    None,
    /// Whoever connects gets the other end of one of these.
    Listening(Backlog),
    /// A peer, which a datagram socket has for those messages that name nobody.
    Connected(Arc<Socket>),
}

/// Connections that nobody has accepted yet.
pub(crate) struct Backlog {
    pub(crate) waiting: VecDeque<Arc<Socket>>,
    pub(crate) limit: usize,
}

pub(crate) struct State {
    bound: Option<Bound>,
    /// Its name: of `bound`, or the listener's through which it came to be.
    name: Option<Arc<Address>>,
    pub(crate) connection: Connection,
    /// Who is at the other end, as of when the connection was made; of a listener, who listens.
    pub(crate) peer: Option<Identity>,
}

// What is shut down, and whether the socket is closed.
const RECEIVE: u8 = 1;
const SEND: u8 = 2;
const RELEASED: u8 = 4;

/// A socket.
pub(crate) struct Socket {
    /// Itself, for its name.
    pub(crate) me: Weak<Self>,
    kind: Kind,
    pub(crate) state: SpinLock<State>,
    pub(crate) inbox: Inbox,
    /// One reader at a time, so that none gets what comes after another's bytes before those.
    pub(crate) reading: Mutex<()>,
    shut: AtomicU8,
    /// An error to be told by the next call, as a number; 0: none.
    error: AtomicI32,
    /// Woken when there is something to read or accept, or never will be.
    pub(crate) readable: Arc<WaitQueue>,
    /// Woken when messages or connections have been taken: others wait to put more in.
    pub(crate) drained: Arc<WaitQueue>,
    pub(crate) account: Arc<Account>,
    /// How many sockets deep the files in its messages go; see `garbage`.
    pub(crate) depth: AtomicUsize,
    options: Options,
}

impl Socket {
    /// A socket that is tied to nothing.
    pub(crate) fn new(kind: Kind) -> Arc<Self> {
        Self::with(kind, Connection::None, None)
    }

    pub(crate) fn with(
        kind: Kind,
        connection: Connection,
        name: Option<Arc<Address>>,
    ) -> Arc<Self> {
        let state = State { bound: None, name, connection, peer: None };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            kind,
            state: SpinLock::new(&STATE_LOCK, state),
            inbox: Inbox::new(),
            reading: Mutex::new(&READING_LOCK, ()),
            shut: AtomicU8::new(0),
            error: AtomicI32::new(0),
            readable: Arc::new(WaitQueue::new()),
            drained: Arc::new(WaitQueue::new()),
            account: Account::new(),
            depth: AtomicUsize::new(0),
            options: Options::default(),
        })
    }

    /// Two sockets that are each other's peers.
    pub(crate) fn pair(kind: Kind) -> (Arc<Self>, Arc<Self>) {
        let (one, other) = (Self::new(kind), Self::new(kind));
        let identity = Identity::of_connector();
        one.tie(&other, identity.clone());
        other.tie(&one, identity);
        (one, other)
    }

    pub(crate) fn tie(self: &Arc<Self>, peer: &Arc<Self>, identity: Identity) {
        let mut state = self.state.lock();
        state.connection = Connection::Connected(peer.clone());
        state.peer = Some(identity);
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its settings.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Bytes to be read: all, or for messages the next one's (`SIOCINQ`).
    pub(crate) fn bytes_to_read(&self) -> usize {
        if self.kind == Kind::Stream { self.inbox.bytes() } else { self.inbox.first_length() }
    }

    /// Its own name.
    pub(crate) fn name(&self) -> Arc<Address> {
        let name = self.state.lock().name.clone();
        name.unwrap_or_else(|| Arc::new(Address::Unnamed))
    }

    /// Whether it takes connections.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.state.lock().connection, Connection::Listening(_))
    }

    pub(crate) fn has_name(&self) -> bool {
        self.state.lock().name.is_some()
    }

    pub(crate) fn peer(&self) -> Option<Arc<Self>> {
        match &self.state.lock().connection {
            Connection::Connected(peer) => Some(peer.clone()),
            Connection::None | Connection::Listening(_) => None,
        }
    }

    /// Gives it a name: a path, whose file is made, an abstract one, or any.
    ///
    /// # Errors
    /// EINVAL: it has one. EADDRINUSE: another has that one. As `mknod` for a path.
    pub(crate) fn bind(&self, address: Address, caller: &Caller<'_>) -> Result<()> {
        if self.has_name() {
            // An autobind by one who is bound is no error.
            return if address == Address::Unnamed { Ok(()) } else { Err(Errno::EINVAL) };
        }
        let bound = Bound::new(self, address, caller)?;
        let mut state = self.state.lock();
        if state.name.is_some() {
            drop(state);
            drop(bound);
            return Err(Errno::EINVAL);
        }
        state.name = Some(bound.address.clone());
        state.bound = Some(bound);
        Ok(())
    }

    /// Takes connections from now on, of which `backlog` may wait to be accepted.
    ///
    /// # Errors
    /// EOPNOTSUPP: datagrams. EINVAL: it has no name, or is connected.
    pub(crate) fn listen(&self, backlog: i32) -> Result<()> {
        if !self.kind.connects() {
            return Err(Errno::EOPNOTSUPP);
        }
        // A negative number means as many as there may be.
        let limit = usize::try_from(backlog).unwrap_or(BACKLOG_MAX).min(BACKLOG_MAX);
        let identity = Identity::of_connector();
        let mut state = self.state.lock();
        if state.name.is_none() {
            return Err(Errno::EINVAL);
        }
        match &mut state.connection {
            Connection::Connected(_) => return Err(Errno::EINVAL),
            Connection::Listening(backlog) => backlog.limit = limit,
            none => *none = Connection::Listening(Backlog { waiting: VecDeque::new(), limit }),
        }
        let old = state.peer.replace(identity);
        drop(state);
        drop(old);
        self.drained.wake_all();
        Ok(())
    }

    /// Ends one direction or both, for the peer too.
    ///
    /// # Errors
    /// ENOTCONN: a kind that connects, and is not connected.
    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<()> {
        let peer = self.peer();
        if peer.is_none() && self.kind.connects() && !self.is_listening() {
            return Err(Errno::ENOTCONN);
        }
        let (mine, theirs) = match how {
            Shutdown::Receive => (RECEIVE, SEND),
            Shutdown::Send => (SEND, RECEIVE),
            Shutdown::Both => (RECEIVE | SEND, RECEIVE | SEND),
        };
        self.shut(mine);
        if let Some(peer) = peer.filter(|_| self.kind.connects()) {
            peer.shut(theirs);
        }
        Ok(())
    }

    /// Marks directions as shut down and tells everybody who waits.
    fn shut(&self, what: u8) {
        if what & RECEIVE != 0 {
            self.inbox.close();
        }
        // After the inbox: whoever sees the mark finds all that ever came in.
        self.shut.fetch_or(what, Ordering::SeqCst);
        self.readable.wake_all();
        self.drained.wake_all();
        self.account.writable.wake_all();
    }

    pub(crate) fn receives_no_more(&self) -> bool {
        self.shut.load(Ordering::SeqCst) & RECEIVE != 0
    }

    pub(crate) fn sends_no_more(&self) -> bool {
        self.shut.load(Ordering::SeqCst) & SEND != 0
    }

    pub(crate) fn is_released(&self) -> bool {
        self.shut.load(Ordering::SeqCst) & RELEASED != 0
    }

    /// The error that waits to be told, and tells it (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<Errno> {
        Errno::from_number(self.error.swap(0, Ordering::SeqCst))
    }

    pub(crate) fn has_error(&self) -> bool {
        self.error.load(Ordering::SeqCst) != 0
    }

    fn set_error(&self, error: Errno) {
        self.error.store(error.number(), Ordering::SeqCst);
    }

    /// The last close: lets go of name, peer and messages. May sleep: files that were on the way are closed. `never_accepted`:
    /// its peer learns that nobody was there.
    pub(crate) fn end(&self, never_accepted: bool) {
        self.shut(RECEIVE | SEND | RELEASED);
        let mut state = self.state.lock();
        let bound = state.bound.take();
        let connection = core::mem::replace(&mut state.connection, Connection::None);
        drop(state);
        drop(bound);
        let unread = self.inbox.empty();
        match connection {
            Connection::Connected(peer) if self.kind.connects() => {
                if never_accepted || !unread.is_empty() {
                    peer.set_error(Errno::ECONNRESET);
                }
                peer.shut(RECEIVE | SEND);
            }
            Connection::Listening(backlog) => {
                for connection in backlog.waiting {
                    connection.end(true);
                }
            }
            Connection::Connected(_) | Connection::None => {}
        }
        drop(unread);
    }
}
