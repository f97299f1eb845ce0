//! The layout of messages (`struct nlmsghdr`, `struct nlattr`).

use alloc::vec::Vec;

use errno::{Errno, Result};

/// Bytes of a header.
pub(crate) const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE: usize = 4;
/// What messages and attributes begin at multiples of.
const ALIGNMENT: usize = 4;
/// An answer of the kernel's own making is no longer.
const ANSWER_MAX: usize = 512;

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_MULTI`: others follow, until one of type DONE.
pub(crate) const MULTI: u16 = 0x2;
/// `NLM_F_ACK`: an answer is wanted in any case.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CAPPED`: of what an answer is to, there is the header only.
const CAPPED: u16 = 0x100;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub(crate) const DONE: u16 = 3;
/// Types below this one mean the same in every protocol.
pub(crate) const OWN_TYPES: u16 = 0x10;
/// The bits of an attribute's type that say how it is stored.
const TYPE_FLAGS: u16 = 0xc000;

/// A message's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes with the header.
    pub(crate) length: u32,
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) port: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            length: number(bytes, 0)?,
            kind: short(bytes, 4)?,
            flags: short(bytes, 6)?,
            sequence: number(bytes, 8)?,
            port: number(bytes, 12)?,
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.length.to_ne_bytes());
        bytes[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        bytes[12..].copy_from_slice(&self.port.to_ne_bytes());
        bytes
    }
}

/// The two bytes at a place.
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// The four bytes at a place.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// Takes the first of several messages: its header, what follows it, and the rest. None: there is no whole one.
pub(crate) fn split(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let header = Header::parse(bytes)?;
    let length = header.length as usize;
    let body = bytes.get(HEADER..length)?;
    let next = length.next_multiple_of(ALIGNMENT);
    Some((header, body, bytes.get(next..).unwrap_or_default()))
}

/// The contents of the last attribute with a type.
pub(crate) fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut found = None;
    while let (Some(length), Some(kind)) = (short(bytes, 0), short(bytes, 2)) {
        let Some(data) = bytes.get(ATTRIBUTE..length.into()) else { break };
        if kind & !TYPE_FLAGS == wanted {
            found = Some(data);
        }
        bytes = bytes.get(usize::from(length).next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    found
}

/// A message in the making.
pub(crate) struct Builder {
    bytes: Vec<u8>,
    start: usize,
}

impl Builder {
    /// With room for an answer.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(header: Header) -> Result<Self> {
        Self::with_room(header, ANSWER_MAX)
    }

    fn with_room(header: Header, room: usize) -> Result<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(&header.to_bytes());
        Ok(Self { bytes, start: 0 })
    }

    /// Ends this message and begins another one behind it.
    pub(crate) fn and(mut self, header: Header) -> Self {
        self.set_length();
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&header.to_bytes());
        self
    }

    /// Appends bytes, and what is missing to the next multiple of the alignment.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// Appends an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, data: &[u8]) {
        self.bytes.extend_from_slice(&((ATTRIBUTE + data.len()) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.put(data);
    }

    /// Appends an attribute that is made of others.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.attribute(kind, &[]);
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn set_length(&mut self) {
        let length = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// The whole.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.set_length();
        self.bytes
    }
}

/// The answer that tells what became of a message: an errno and the message, or 0 and its header.
///
/// # Errors
/// ENOMEM.
pub(crate) fn outcome(
    request: &Header,
    body: &[u8],
    port: u32,
    outcome: Result<()>,
) -> Result<Vec<u8>> {
    let error = outcome.map_or_else(Errno::number, |()| 0);
    let body = if error == 0 { &[] } else { body };
    let flags = if error == 0 { CAPPED } else { 0 };
    let header = Header { kind: ERROR, flags, sequence: request.sequence, port, length: 0 };
    let room = (2 * HEADER + 4 + body.len()).next_multiple_of(ALIGNMENT);
    let mut answer = Builder::with_room(header, room)?;
    answer.put(&(-error).to_ne_bytes());
    answer.put(&request.to_bytes());
    answer.put(body);
    Ok(answer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTED: Header = Header { length: 21, kind: 19, flags: 5, sequence: 7, port: 3 };

    #[test]
    fn messages_follow_each_other_at_multiples_of_four() {
        let mut bytes = REQUESTED.to_bytes().to_vec();
        bytes.extend_from_slice(b"hello\0\0\0");
        bytes.extend_from_slice(&Header { length: 16, ..REQUESTED }.to_bytes());
        let (first, body, rest) = split(&bytes).unwrap();
        assert_eq!((first, body), (REQUESTED, &b"hello"[..]));
        let (second, body, rest) = split(rest).unwrap();
        assert_eq!((second.length, body, rest), (16, &[][..], &[][..]));
        assert!(split(rest).is_none());
        assert!(split(&bytes[..20]).is_none(), "it is longer than what there is");
        assert!(split(&Header { length: 15, ..REQUESTED }.to_bytes()).is_none());
    }

    #[test]
    fn attributes_are_found_and_bad_lengths_end_the_search() {
        let mut builder = Builder::new(REQUESTED).unwrap();
        builder.attribute(2, b"abcde");
        builder.nest(4, |builder| builder.attribute(1, &9_u32.to_ne_bytes()));
        let bytes = builder.finish();
        assert_eq!(number(&bytes, 0), Some(16 + 12 + 12));
        let (_, body, _) = split(&bytes).unwrap();
        assert_eq!(attribute(body, 2), Some(&b"abcde"[..]));
        assert_eq!(number(attribute(attribute(body, 4).unwrap(), 1).unwrap(), 0), Some(9));
        assert_eq!(attribute(body, 1), None);
        assert_eq!(attribute(&[3, 0, 1, 0, 0, 0, 0, 0], 1), None);
        assert_eq!(attribute(&[9, 0, 1, 0, 0, 0, 0, 0], 1), None);
        assert_eq!(attribute(&[0, 0, 1, 0], 1), None);
    }

    #[test]
    fn an_error_gives_the_message_back_and_success_its_header() {
        let failed = outcome(&REQUESTED, b"hello", 42, Err(Errno::EOPNOTSUPP)).unwrap();
        let (header, body, _) = split(&failed).unwrap();
        let expected = Header { length: 44, kind: ERROR, flags: 0, sequence: 7, port: 42 };
        assert_eq!(header, expected);
        assert_eq!(number(body, 0), Some(-95_i32 as u32));
        assert_eq!(body[4..20], REQUESTED.to_bytes());
        assert_eq!(&body[20..], b"hello\0\0\0");
        let done = outcome(&REQUESTED, b"hello", 42, Ok(())).unwrap();
        let (header, body, _) = split(&done).unwrap();
        assert_eq!((header.length, header.flags), (36, CAPPED));
        assert_eq!(number(body, 0), Some(0));
    }
}
