//! `NETLINK_GENERIC`: families, each with commands (`struct genlmsghdr`).

use alloc::vec::Vec;

use errno::{Errno, Result};
use fs::Credentials;

use crate::message::{self, ACK, Builder, DUMP, Header, MULTI, OWN_TYPES, REQUEST};
use crate::socket::Socket;
use crate::{controller, taskstats};

/// Bytes of a command's header.
const COMMAND_HEADER: usize = 4;

/// The families: their numbers are the types of their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `nlctrl`, which tells of families.
    Controller,
    /// What tasks have used.
    Taskstats,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::Controller, Self::Taskstats];

    /// The number of its messages. Only the controller's is known to programs beforehand.
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Controller => 0x10,
            Self::Taskstats => 0x13,
        }
    }
}

/// A command, and what an answer to it needs.
pub(crate) struct Command<'a> {
    pub(crate) number: u8,
    pub(crate) attributes: &'a [u8],
    pub(crate) credentials: &'a Credentials,
    family: Family,
    sequence: u32,
    port: u32,
}

impl Command<'_> {
    /// The beginning of an answer.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn answer(&self, number: u8, version: u8) -> Result<Builder> {
        let mut builder = Builder::new(self.header(0))?;
        builder.put(&[number, version, 0, 0]);
        Ok(builder)
    }

    /// Ends one of several answers and begins the next.
    pub(crate) fn next_answer(&self, builder: Builder, number: u8, version: u8) -> Builder {
        let mut builder = builder.and(self.header(MULTI));
        builder.put(&[number, version, 0, 0]);
        builder
    }

    /// The first of several answers.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn first_answer(&self, number: u8, version: u8) -> Result<Builder> {
        let mut builder = Builder::new(self.header(MULTI))?;
        builder.put(&[number, version, 0, 0]);
        Ok(builder)
    }

    /// What follows the last of several answers.
    fn done(&self) -> Result<Vec<u8>> {
        let mut builder = Builder::new(Header { kind: message::DONE, ..self.header(MULTI) })?;
        builder.put(&0_u32.to_ne_bytes());
        Ok(builder.finish())
    }

    fn header(&self, flags: u16) -> Header {
        let kind = self.family.number();
        Header { length: 0, kind, flags, sequence: self.sequence, port: self.port }
    }
}

/// Handles what a program sends, message by message.
pub(crate) fn handle(socket: &Socket, mut bytes: &[u8], credentials: &Credentials) {
    while let Some((header, body, rest)) = message::split(bytes) {
        let outcome = match header.flags & REQUEST != 0 && header.kind >= OWN_TYPES {
            true => command(socket, &header, body, credentials),
            false => Ok(()),
        };
        if outcome.is_err() || header.flags & ACK != 0 {
            socket.answer(message::outcome(&header, body, socket.port(), outcome));
        }
        bytes = rest;
    }
}

fn command(socket: &Socket, header: &Header, body: &[u8], credentials: &Credentials) -> Result<()> {
    let mut families = Family::ALL.into_iter();
    let family = families.find(|family| family.number() == header.kind).ok_or(Errno::ENOENT)?;
    let attributes = body.get(COMMAND_HEADER..).ok_or(Errno::EINVAL)?;
    let (sequence, port) = (header.sequence, socket.port());
    let command = Command { number: body[0], attributes, credentials, family, sequence, port };
    let answer = if header.flags & DUMP == DUMP {
        let all = match family {
            Family::Controller => controller::list(&command),
            Family::Taskstats => Err(taskstats::check(&command).err().unwrap_or(Errno::EOPNOTSUPP)),
        };
        socket.answer(Ok(all?));
        command.done()
    } else {
        match family {
            Family::Controller => controller::answer(&command),
            Family::Taskstats => taskstats::answer(&command),
        }
    };
    socket.answer(Ok(answer?));
    Ok(())
}
