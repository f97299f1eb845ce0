//! `nlctrl`: which families there are.

use alloc::vec::Vec;

use errno::{Errno, Result};

use crate::generic::{Command, Family};
use crate::message::{self, Builder};
use crate::taskstats;

/// `CTRL_CMD_NEWFAMILY`: tells of one.
const NEW_FAMILY: u8 = 1;
/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
/// The version of the controller's answers.
const VERSION: u8 = 2;

/// Attributes (`CTRL_ATTR_*`).
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const FAMILY_VERSION: u16 = 3;
const HEADER_SIZE: u16 = 4;
const ATTRIBUTE_MAX: u16 = 5;
const OPERATIONS: u16 = 6;
const GROUPS: u16 = 7;
/// Of an operation.
const OPERATION_ID: u16 = 1;
const OPERATION_FLAGS: u16 = 2;
/// Of a group.
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// What there is to know of a family.
struct Description {
    /// With the zero at its end.
    name: &'static [u8],
    version: u32,
    attributes: u32,
    /// Numbers of commands, and what is needed and can be done.
    operations: &'static [(u32, u32)],
    groups: &'static [(&'static [u8], u32)],
}

const fn describe(family: Family) -> Description {
    match family {
        Family::Controller => Description {
            name: b"nlctrl\0",
            version: 2,
            attributes: 10,
            // It can answer, list, and checks attributes.
            operations: &[(GET_FAMILY as u32, 0xe)],
            groups: &[(b"notify\0", 0x10)],
        },
        Family::Taskstats => Description {
            name: b"TASKSTATS\0",
            version: taskstats::FAMILY_VERSION as u32,
            attributes: 4,
            // It needs a privilege, can answer, and checks attributes.
            operations: &[(taskstats::GET as u32, 0xb)],
            groups: &[],
        },
    }
}

fn append(builder: &mut Builder, family: Family) {
    let it = describe(family);
    builder.attribute(FAMILY_NAME, it.name);
    builder.attribute(FAMILY_ID, &family.number().to_ne_bytes());
    builder.attribute(FAMILY_VERSION, &it.version.to_ne_bytes());
    builder.attribute(HEADER_SIZE, &0_u32.to_ne_bytes());
    builder.attribute(ATTRIBUTE_MAX, &it.attributes.to_ne_bytes());
    builder.nest(OPERATIONS, |builder| {
        for (index, (number, flags)) in (1..).zip(it.operations) {
            builder.nest(index, |builder| {
                builder.attribute(OPERATION_ID, &number.to_ne_bytes());
                builder.attribute(OPERATION_FLAGS, &flags.to_ne_bytes());
            });
        }
    });
    if it.groups.is_empty() {
        return;
    }
    builder.nest(GROUPS, |builder| {
        for (index, (name, number)) in (1..).zip(it.groups) {
            builder.nest(index, |builder| {
                builder.attribute(GROUP_ID, &number.to_ne_bytes());
                builder.attribute(GROUP_NAME, name);
            });
        }
    });
}

/// Tells of the family that is asked for by number or name; a name counts more.
///
/// # Errors
/// EOPNOTSUPP: another command. EINVAL: neither is there. ENOENT: no such family. ENOMEM.
pub(crate) fn answer(command: &Command<'_>) -> Result<Vec<u8>> {
    if command.number != GET_FAMILY {
        return Err(Errno::EOPNOTSUPP);
    }
    let family = find(command.attributes)?;
    let mut builder = command.answer(NEW_FAMILY, VERSION)?;
    append(&mut builder, family);
    Ok(builder.finish())
}

fn find(attributes: &[u8]) -> Result<Family> {
    let mut families = Family::ALL.into_iter();
    let found = if let Some(name) = message::attribute(attributes, FAMILY_NAME) {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        families.find(|&family| describe(family).name.strip_suffix(b"\0") == Some(name))
    } else {
        let number = message::attribute(attributes, FAMILY_ID).ok_or(Errno::EINVAL)?;
        let number = message::short(number, 0).ok_or(Errno::EINVAL)?;
        families.find(|family| family.number() == number)
    };
    found.ok_or(Errno::ENOENT)
}

/// Tells of all families.
///
/// # Errors
/// EOPNOTSUPP: another command. ENOMEM.
pub(crate) fn list(command: &Command<'_>) -> Result<Vec<u8>> {
    if command.number != GET_FAMILY {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut builder = command.first_answer(NEW_FAMILY, VERSION)?;
    append(&mut builder, Family::Controller);
    let mut builder = command.next_answer(builder, NEW_FAMILY, VERSION);
    append(&mut builder, Family::Taskstats);
    Ok(builder.finish())
}
