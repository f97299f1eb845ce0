//! `syslog`: the kernel log.

use errno::{Errno, Result};
use fs::Capabilities;
use sync::{LockClass, SpinLock};

use crate::current;
use crate::user::UserPtr;

const CLOSE: u32 = 0;
const OPEN: u32 = 1;
const READ: u32 = 2;
const READ_ALL: u32 = 3;
const READ_CLEAR: u32 = 4;
const CLEAR: u32 = 5;
const CONSOLE_OFF: u32 = 6;
const CONSOLE_ON: u32 = 7;
const CONSOLE_LEVEL: u32 = 8;
const SIZE_UNREAD: u32 = 9;
const SIZE_BUFFER: u32 = 10;

/// What the console shows when it is off: emergencies.
const LEVEL_OFF: u8 = 1;

/// A leaf.
static STATE_LOCK: LockClass = LockClass::new("syslog");
static STATE: SpinLock<State> =
    SpinLock::new(&STATE_LOCK, State { next: 0, clear: 0, saved_level: None });

/// What the readers of `syslog` share.
#[derive(Clone, Copy)]
struct State {
    /// The record that `READ` gives next.
    next: u64,
    /// The first record that `READ_ALL` gives: all before it were cleared.
    clear: u64,
    /// The console's level before it was turned off.
    saved_level: Option<u8>,
}

/// `syslog`.
pub(crate) fn syslog(action: u32, buffer: UserPtr<u8>, length: i32) -> Result<usize> {
    let anybody = matches!(action, READ_ALL | SIZE_BUFFER);
    if !anybody {
        let who = current::credentials();
        who.require(Capabilities::SYSLOG).or_else(|_| who.require(Capabilities::SYS_ADMIN))?;
    }
    let length = usize::try_from(length);
    match action {
        CLOSE | OPEN => Ok(0),
        READ => read(buffer, length.map_err(|_| Errno::EINVAL)?),
        READ_ALL => read_all(buffer, length.map_err(|_| Errno::EINVAL)?),
        READ_CLEAR => {
            let length = length.map_err(|_| Errno::EINVAL)?;
            let end = klog::next_sequence();
            let count = read_all(buffer, length)?;
            STATE.lock().clear = end;
            Ok(count)
        }
        CLEAR => {
            STATE.lock().clear = klog::next_sequence();
            Ok(0)
        }
        CONSOLE_OFF => {
            let old = klog::set_console_level(LEVEL_OFF);
            STATE.lock().saved_level.get_or_insert(old);
            Ok(0)
        }
        CONSOLE_ON => {
            if let Some(level) = STATE.lock().saved_level.take() {
                klog::set_console_level(level);
            }
            Ok(0)
        }
        CONSOLE_LEVEL => {
            let level = length.ok().and_then(|level| u8::try_from(level).ok());
            let level = level.filter(|level| (1..=8).contains(level)).ok_or(Errno::EINVAL)?;
            klog::set_console_level(level);
            STATE.lock().saved_level = None;
            Ok(0)
        }
        SIZE_UNREAD => {
            let first = STATE.lock().next.max(klog::first_sequence());
            Ok(lines_from(first).map(|line| line.len()).sum())
        }
        SIZE_BUFFER => Ok(kmsg::syslog_buffer_size()),
        _ => Err(Errno::EINVAL),
    }
}

/// The records from a number on, as lines.
fn lines_from(first: u64) -> impl Iterator<Item = alloc::string::String> {
    let mut next = first;
    core::iter::from_fn(move || {
        let record = klog::read(next)?;
        next = record.sequence + 1;
        Some(kmsg::format_record(&record))
    })
}

/// Whole lines that have not been read so, at least one; waits for it.
fn read(buffer: UserPtr<u8>, length: usize) -> Result<usize> {
    if length == 0 {
        return Ok(0);
    }
    // Read out first: the lock must not be held while this sleeps.
    let next = STATE.lock().next;
    kmsg::wait_for_news(next, false)?;
    let mut done = 0;
    loop {
        let next = STATE.lock().next;
        let Some(record) = klog::read(next) else { break };
        let line = kmsg::format_record(&record);
        if line.len() > length - done {
            break;
        }
        buffer.at(done)?.write_bytes(line.as_bytes())?;
        done += line.len();
        STATE.lock().next = record.sequence + 1;
    }
    Ok(done)
}

/// The newest lines that fit and were not cleared.
fn read_all(buffer: UserPtr<u8>, length: usize) -> Result<usize> {
    let text = match STATE.lock().clear {
        0 => kmsg::syslog_read_all(length)?,
        first => {
            let mut text = alloc::vec::Vec::new();
            for line in lines_from(first) {
                text.try_reserve(line.len()).map_err(|_| Errno::ENOMEM)?;
                text.extend_from_slice(line.as_bytes());
            }
            let surplus = text.len().saturating_sub(length);
            // Whole lines only.
            let start = if surplus == 0 {
                0
            } else {
                text[surplus - 1..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .map_or(text.len(), |at| surplus + at)
            };
            text.split_off(start)
        }
    };
    buffer.write_bytes(&text)?;
    Ok(text.len())
}
