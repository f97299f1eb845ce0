//! The events: their switches, one by one, by system, and by name.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::{Attribute, Directory};
use trace::AnyEvent;

pub(crate) fn register(root: &Arc<Directory>) -> Result<()> {
    root.add_file(
        "available_events",
        Attribute::shown(|text| {
            trace::all().try_for_each(|e| Ok(writeln!(text, "{}:{}", e.system(), e.name())?))
        }),
    )?;
    root.add_file(
        "set_event",
        Attribute::shown(|text| {
            let mut enabled = trace::all().filter(|event| event.is_enabled());
            enabled.try_for_each(|e| Ok(writeln!(text, "{}:{}", e.system(), e.name())?))
        })
        .store(set_by_names)
        .truncate(|| {
            for event in trace::all() {
                // Turning one off takes nothing.
                let _ = event.set_enabled(false);
            }
        }),
    )?;
    let events = root.subdirectory("events")?;
    events.add_file("enable", switch_of(|_| true))?;
    for event in trace::all() {
        let system = events.subdirectory(event.system())?;
        if system.find(b"enable").is_none() {
            let name = event.system();
            system.add_file("enable", switch_of(move |event| event.system() == name))?;
        }
        let directory = system.subdirectory(event.name())?;
        register_one(&directory, event)?;
    }
    Ok(())
}

fn register_one(directory: &Directory, event: &'static dyn AnyEvent) -> Result<()> {
    directory.add_file(
        "enable",
        Attribute::shown(move |text| Ok(writeln!(text, "{}", u8::from(event.is_enabled()))?))
            .store(move |bytes| event.set_enabled(crate::switch(bytes)?)),
    )?;
    directory.add_file("format", Attribute::shown(move |text| Ok(event.write_format(text)?)))?;
    directory.add_file("id", Attribute::shown(move |text| Ok(writeln!(text, "{}", event.id())?)))
}

/// The switch of several events: `X` if some are on and some are off.
fn switch_of(is_meant: impl Fn(&dyn AnyEvent) -> bool + Copy + Send + Sync + 'static) -> Attribute {
    let meant = move || trace::all().filter(move |event| is_meant(*event));
    Attribute::shown(move |text| {
        let on = meant().filter(|event| event.is_enabled()).count();
        let state = match on {
            0 => "0",
            on if on == meant().count() => "1",
            _ => "X",
        };
        Ok(writeln!(text, "{state}")?)
    })
    .store(move |bytes| {
        let enabled = crate::switch(bytes)?;
        meant().try_for_each(|event| event.set_enabled(enabled))
    })
}

/// Words that name events, each with a `!` before it if they are to be off.
fn set_by_names(bytes: &[u8]) -> Result<()> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    for word in text.split_ascii_whitespace() {
        let (word, enabled) = match word.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (word, true),
        };
        let mut any = false;
        for event in trace::all().filter(|event| is_named(*event, word)) {
            event.set_enabled(enabled)?;
            any = true;
        }
        if !any {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

/// `SYSTEM:EVENT`, where either may be `*` or missing, or the name of a system or of an event.
fn is_named(event: &dyn AnyEvent, word: &str) -> bool {
    let fits = |pattern: &str, name: &str| pattern == "*" || pattern.is_empty() || pattern == name;
    match word.split_once(':') {
        Some((system, name)) => fits(system, event.system()) && fits(name, event.name()),
        None => word == event.system() || word == event.name() || word == "*",
    }
}

/// As `available_events` lists it.
#[cfg(test)]
fn full_name(event: &dyn AnyEvent) -> alloc::string::String {
    alloc::format!("{}:{}", event.system(), event.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_events_are_found_by_name() {
        for event in trace::all() {
            let named = |word: &str| is_named(event, word);
            assert!(named(&full_name(event)) && named("*:*") && named("*"));
            assert!(named(event.name()) && named(event.system()));
            assert!(!named("sched:nothing") && !named("nothing:*"));
        }
        assert_eq!(set_by_names(b"sched:nothing"), Err(Errno::EINVAL));
    }
}
