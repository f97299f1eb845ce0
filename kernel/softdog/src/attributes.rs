//! `/sys/class/watchdog/watchdogN`.

use alloc::sync::Arc;
use core::fmt::Write;

use device::Builder;
use errno::{Errno, Result};
use kernfs::{Attribute, Text, parse_integer};

use crate::governor::Governor;
use crate::watchdog::{MAX_TIMEOUT, MIN_TIMEOUT, Watchdog};

const WRITABLE: u32 = 0o644;

/// A file that shows something of a watchdog as long as that has a driver.
fn shown(
    watchdog: &Arc<Watchdog>,
    show: impl Fn(&Watchdog, &mut Text) -> Result<()> + Send + Sync + 'static,
) -> Attribute {
    let watchdog = watchdog.clone();
    Attribute::shown(move |text| {
        watchdog.look()?;
        show(&watchdog, text)
    })
}

/// Adds a watchdog's files. How much time is left nobody knows, so there is no `timeleft`.
pub(crate) fn add(builder: Builder, watchdog: &Arc<Watchdog>) -> Builder {
    let state = shown(watchdog, |watchdog, text| {
        let active = watchdog.look()?.active;
        text.push(if active { b"active\n" } else { b"inactive\n" })
    });
    let nowayout = {
        let set = watchdog.clone();
        shown(watchdog, |watchdog, text| {
            Ok(writeln!(text, "{}", u8::from(watchdog.look()?.nowayout))?)
        })
        .store(move |bytes| set_nowayout(&set, bytes))
        .permissions(WRITABLE)
    };
    let governor = {
        let set = watchdog.clone();
        shown(watchdog, |watchdog, text| Ok(writeln!(text, "{}", watchdog.governor().name())?))
            .store(move |bytes| {
                let name = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                set.set_governor(Governor::from_name(name).ok_or(Errno::EINVAL)?);
                Ok(())
            })
            .permissions(WRITABLE)
    };
    builder
        .attribute("state", state)
        .attribute(
            "identity",
            shown(watchdog, |watchdog, text| Ok(writeln!(text, "{}", watchdog.info().identity)?)),
        )
        .attribute(
            "timeout",
            shown(watchdog, |watchdog, text| Ok(writeln!(text, "{}", watchdog.look()?.timeout)?)),
        )
        .attribute("min_timeout", shown(watchdog, |_, text| Ok(writeln!(text, "{MIN_TIMEOUT}")?)))
        .attribute("max_timeout", shown(watchdog, |_, text| Ok(writeln!(text, "{MAX_TIMEOUT}")?)))
        .attribute(
            "pretimeout",
            shown(watchdog, |watchdog, text| {
                Ok(writeln!(text, "{}", watchdog.look()?.pretimeout)?)
            }),
        )
        .attribute("bootstatus", shown(watchdog, |_, text| text.push(b"0\n")))
        .attribute(
            "status",
            shown(watchdog, |watchdog, text| Ok(writeln!(text, "{:#x}", watchdog.take_status()?)?)),
        )
        .attribute("nowayout", nowayout)
        .attribute(
            "pretimeout_available_governors",
            shown(watchdog, |_, text| {
                Governor::ALL
                    .iter()
                    .try_for_each(|governor| Ok(writeln!(text, "{}", governor.name())?))
            }),
        )
        .attribute("pretimeout_governor", governor)
}

fn set_nowayout(watchdog: &Watchdog, bytes: &[u8]) -> Result<()> {
    match parse_integer(bytes)? {
        value @ 0..=1 => watchdog.set_nowayout(value == 1),
        _ => Err(Errno::EINVAL),
    }
}
