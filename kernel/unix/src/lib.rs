//! Sockets of the family AF_UNIX: connections and datagrams between processes of one machine.
//!
//! ```text
//!                bind, listen                        accept
//!   Unbound ───────────────────> Listening(backlog) ───────> the connection's other end
//!      │ connect: makes the other end, and puts it into the listener's backlog
//!      └────────────────> Connected(peer) <──── socketpair
//!                              │ the peer is closed: end of file here, EPIPE for who still sends
//!                              v
//!                           released by its last close
//! ```
//!
//! A [`Socket`](socket::Socket) receives in its own [inbox](inbox::Inbox); to send is to put a [message](message::Message)
//! into another's. What a sender has on the way counts against its [account](account::Account), and
//! whoever takes a message out gives that back, so a sender waits for its own messages to be read and for
//! nobody else's. Files travel in messages as references to open files.
//!
//! Two connected sockets hold each other. The last close of either lets go of the other, so neither outlives its file.
//! Sockets that are only held by messages in the inboxes of each other are found and emptied by [`garbage`].
//!
//! Locks: `unix.reading` (sleeping, held while user memory is written) is outermost; `unix.state`, `unix.inbox`,
//! `unix.names` and `unix.flying` are spin locks of which no two are held at once, and nothing is woken, closed or dropped
//! under them that could take another.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod address;
mod connect;
mod family;
mod garbage;
mod inbox;
mod message;
mod names;
mod poll;
mod receive;
mod send;
mod socket;

pub use family::FAMILY;
