//! `/sys/kernel/mm/transparent_hugepage`: where large pages are welcome.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::{Attribute, Directory, Text, parse_integer};
use machine::LARGE_PAGE_SIZE;
use vm::{LargePageStatistics, Welcome};

const WRITABLE: u32 = 0o644;

const CHOICES: [(&str, Welcome); 3] =
    [("always", Welcome::Always), ("madvise", Welcome::Madvise), ("never", Welcome::Never)];

/// How hard a fault tries to get a large page. One is taken if it is at hand: nothing is moved to make one, so there is one choice.
const EFFORTS: [&str; 5] = ["always", "defer", "defer+madvise", "madvise", "never"];
const EFFORT: &str = "never";

pub(crate) fn register(directory: &Arc<Directory>) -> Result<()> {
    let enabled = Attribute::shown(|text| {
        let current = Welcome::current();
        show(text, CHOICES.iter().map(|&(name, choice)| (name, choice == current)))
    });
    directory.add_file("enabled", enabled.store(set_enabled).permissions(WRITABLE))?;
    let defrag =
        Attribute::shown(|text| show(text, EFFORTS.iter().map(|&name| (name, name == EFFORT))));
    let set_defrag =
        |bytes: &[u8]| if word(bytes) == EFFORT.as_bytes() { Ok(()) } else { Err(Errno::EINVAL) };
    directory.add_file("defrag", defrag.store(set_defrag).permissions(WRITABLE))?;
    let zero = Attribute::shown(|text| {
        Ok(writeln!(text, "{}", u8::from(LargePageStatistics::loads_take_small()))?)
    });
    directory.add_file("use_zero_page", zero.store(set_zero).permissions(WRITABLE))?;
    let size = Attribute::shown(|text| Ok(writeln!(text, "{LARGE_PAGE_SIZE}")?));
    directory.add_file("hpage_pmd_size", size)
}

/// All choices, the one that holds in brackets.
fn show<'a>(text: &mut Text, choices: impl Iterator<Item = (&'a str, bool)>) -> Result<()> {
    for (place, (name, holds)) in choices.enumerate() {
        let space = if place > 0 { " " } else { "" };
        if holds {
            write!(text, "{space}[{name}]")?;
        } else {
            write!(text, "{space}{name}")?;
        }
    }
    text.push(b"\n")
}

/// What was written, without the end of its line.
fn word(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn set_enabled(bytes: &[u8]) -> Result<()> {
    let wanted = word(bytes);
    let (_, choice) =
        CHOICES.iter().find(|(name, _)| name.as_bytes() == wanted).ok_or(Errno::EINVAL)?;
    choice.set();
    Ok(())
}

fn set_zero(bytes: &[u8]) -> Result<()> {
    let small = match parse_integer(bytes)? {
        0 => false,
        1 => true,
        _ => return Err(Errno::EINVAL),
    };
    LargePageStatistics::let_loads_take_small(small);
    Ok(())
}
