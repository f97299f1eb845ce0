//! `/proc/sys/kernel/random`.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;
use sync::Once;

use super::{Sysctl, register_sysctl};

/// How many bits of entropy are claimed once the generator has its key: as in Linux, always the
/// same.
const ENTROPY_BITS: i64 = 256;

pub(super) fn register() -> Result<()> {
    register_sysctl("kernel/random/boot_id", 0o444, Sysctl::shown(boot_id))?;
    register_sysctl(
        "kernel/random/uuid",
        0o444,
        Sysctl::shown(|text| write_uuid(text, new_uuid())),
    )?;
    for name in ["kernel/random/entropy_avail", "kernel/random/poolsize"] {
        let bits = Sysctl::shown(|text| Ok(writeln!(text, "{ENTROPY_BITS}")?));
        register_sysctl(name, 0o444, bits)?;
    }
    Ok(())
}

/// A random number that stays the same until the next boot.
fn boot_id(text: &mut Text) -> Result<()> {
    static BOOT_ID: Once<[u8; 16]> = Once::new();
    // Whoever comes second shows the first one's.
    let _ = BOOT_ID.get().is_none().then(|| BOOT_ID.set(new_uuid()));
    write_uuid(text, BOOT_ID.get().copied().unwrap_or_default())
}

/// A random UUID: version 4, the usual variant.
fn new_uuid() -> [u8; 16] {
    let mut uuid = [0; 16];
    fs::random::fill(&mut uuid);
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

fn write_uuid(text: &mut Text, uuid: [u8; 16]) -> Result<()> {
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push(b"-")?;
        }
        write!(text, "{byte:02x}")?;
    }
    text.push(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_in_five_groups() {
        let mut text = Text::new();
        write_uuid(&mut text, core::array::from_fn(|index| index as u8)).unwrap();
        let expected = b"00010203-0405-0607-0809-0a0b0c0d0e0f\n";
        assert_eq!(text.into_bytes().unwrap(), expected);
    }
}
