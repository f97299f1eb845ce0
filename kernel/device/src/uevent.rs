//! What programs are told of devices that come and go: a text of lines that end with NUL, to all who listen.
//!
//! ```text
//!   add@/devices/virtual/misc/watchdog
//!   ACTION=add  DEVPATH=/devices/virtual/misc/watchdog  SUBSYSTEM=misc  MAJOR=10  MINOR=130  DEVNAME=watchdog  SEQNUM=12
//! ```
//!
//! Messages are numbered, and leave in the order of their numbers: a program that misses one sees that.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::{Attribute, Text};
use sched::Mutex;
use sync::{LockClass, Once};

use crate::builder::Identity;

/// Held while a message gets its number and leaves; the listener's locks are taken inside.
static SEQUENCE_LOCK: LockClass = LockClass::new("uevent");

/// The number of the last message.
static SEQUENCE: Mutex<u64> = Mutex::new(&SEQUENCE_LOCK, 0);

/// Who brings messages to programs.
pub struct Carrier {
    /// Whether anybody listens.
    pub is_wanted: fn() -> bool,
    /// Sends a message. May sleep.
    pub send: fn(Arc<[u8]>),
    /// Says that one could not be made.
    pub lose: fn(),
}

static CARRIER: Once<Carrier> = Once::new();

/// Says who brings messages to programs; before that nobody listens. Once.
pub fn set_carrier(carrier: Carrier) {
    let fresh = CARRIER.set(carrier).is_ok();
    assert!(fresh, "messages have one carrier");
}

/// What has happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Add,
    Remove,
    Change,
    Move,
    Online,
    Offline,
    Bind,
    Unbind,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Add,
        Self::Remove,
        Self::Change,
        Self::Move,
        Self::Online,
        Self::Offline,
        Self::Bind,
        Self::Unbind,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Change => "change",
            Self::Move => "move",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
        }
    }
}

/// `/sys/kernel/uevent_seqnum`.
pub(crate) fn register() -> Result<()> {
    let number = Attribute::shown(|text| Ok(writeln!(text, "{}", *SEQUENCE.lock())?));
    sysfs::root().subdirectory("kernel")?.add_file("uevent_seqnum", number)
}

/// A device's own lines, in `uevent` of its directory and in each message.
fn describe(text: &mut Text, identity: &Identity, end: char) -> Result<()> {
    if let Some(number) = identity.number {
        write!(text, "MAJOR={}{end}MINOR={}{end}", number.major, number.minor)?;
        write!(text, "DEVNAME={}{end}", identity.node_path())?;
        if let Some(mode) = identity.mode {
            write!(text, "DEVMODE=0{mode:o}{end}")?;
        }
        for (name, id) in [("DEVUID", identity.uid), ("DEVGID", identity.gid)] {
            if id != 0 {
                write!(text, "{name}={id}{end}")?;
            }
        }
    }
    Ok(())
}

/// Tells who listens. `more`: lines of who has asked for the message. May sleep.
pub(crate) fn tell(identity: &Identity, action: Action, more: &str) {
    let mut sequence = SEQUENCE.lock();
    *sequence += 1;
    let Some(carrier) = CARRIER.get().filter(|carrier| (carrier.is_wanted)()) else { return };
    match message(identity, action, more, *sequence) {
        Ok(bytes) => (carrier.send)(bytes),
        Err(_) => (carrier.lose)(),
    }
}

fn message(identity: &Identity, action: Action, more: &str, number: u64) -> Result<Arc<[u8]>> {
    let (mut text, word) = (Text::new(), action.word());
    let path = identity.directory();
    write!(text, "{word}@/{path}\0ACTION={word}\0DEVPATH=/{path}\0")?;
    write!(text, "SUBSYSTEM={}\0{more}", identity.class)?;
    describe(&mut text, identity, '\0')?;
    write!(text, "SEQNUM={number}\0")?;
    Ok(Arc::from(text.into_bytes()?))
}

/// The file `uevent` of a device: its lines; and an action written to it is told as if it happened.
pub(crate) fn attribute(identity: &Arc<Identity>) -> Attribute {
    let (shown, told) = (identity.clone(), identity.clone());
    Attribute::shown(move |text| describe(text, &shown, '\n'))
        .store(move |bytes| {
            let words = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            // Linux takes an identity and variables behind the word; nobody here needs them.
            let known = Action::ALL.into_iter().find(|action| action.word().as_bytes() == words);
            tell(&told, known.ok_or(Errno::EINVAL)?, "SYNTH_UUID=0\0");
            Ok(())
        })
        .permissions(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use fs::DeviceNumber;

    #[test]
    fn d4_messages_have_linux_s_form() {
        let identity = crate::builder::identity_of(
            crate::Builder::new("mem", "null".to_string())
                .number(DeviceNumber::new(1, 3))
                .mode(0o666),
        );
        let message = message(&identity, Action::Add, "", 7).unwrap();
        let expected = "add@/devices/virtual/mem/null\0ACTION=add\0DEVPATH=/devices/virtual/mem/null\0\
             SUBSYSTEM=mem\0MAJOR=1\0MINOR=3\0DEVNAME=null\0DEVMODE=0666\0SEQNUM=7\0";
        assert_eq!(core::str::from_utf8(&message), Ok(expected));
    }
}
