//! What goes from socket to socket.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ::socket::Identity;

use crate::account::Charge;
use crate::address::Address;
use crate::garbage::Flying;

/// What is in a message besides its bytes; most have none of it.
pub(crate) struct Extra {
    pub(crate) sender: Option<Identity>,
    pub(crate) files: Flying,
    /// The sender's name, of datagrams.
    pub(crate) from: Option<Arc<Address>>,
}

/// Bytes on their way.
pub(crate) struct Message {
    data: Vec<u8>,
    /// How much of it has been read.
    start: usize,
    pub(crate) extra: Option<Box<Extra>>,
    _charge: Charge,
}

impl Message {
    pub(crate) fn new(data: Vec<u8>, extra: Option<Extra>, charge: Charge) -> Self {
        Self { data, start: 0, extra: extra.map(Box::new), _charge: charge }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.data[self.start..]
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    pub(crate) fn sender(&self) -> Option<&Identity> {
        self.extra.as_ref()?.sender.as_ref()
    }

    /// Whether both may be read in one piece by somebody who wants to know the senders.
    pub(crate) fn is_of(&self, sender: Option<&Identity>) -> bool {
        match (self.sender(), sender) {
            (Some(mine), Some(theirs)) => mine.is_same(theirs),
            (None, None) => true,
            _ => false,
        }
    }
}
