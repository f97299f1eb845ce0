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
        .store(|bytes| {
            let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
            trace::set_by_names(text.split_ascii_whitespace())
        })
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
