//! Events by name.

use errno::{Errno, Result};

use crate::event::AnyEvent;
use crate::events;

/// Turns events on by words that name them, or off by those with a `!` before them: `SYSTEM:EVENT`, where either may be `*` or
/// missing, or the name of a system or of an event. May sleep.
///
/// # Errors
/// EINVAL: nothing is called so. ENOMEM: there are no rings.
pub fn set_by_names<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    for word in words {
        let (word, enabled) = match word.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (word, true),
        };
        let mut any = false;
        for event in events::all().filter(|event| is_named(*event, word)) {
            event.set_enabled(enabled)?;
            any = true;
        }
        if !any {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

fn is_named(event: &dyn AnyEvent, word: &str) -> bool {
    let fits = |pattern: &str, name: &str| pattern == "*" || pattern.is_empty() || pattern == name;
    match word.split_once(':') {
        Some((system, name)) => fits(system, event.system()) && fits(name, event.name()),
        None => word == event.system() || word == event.name() || word == "*",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_events_are_found_by_name() {
        for event in events::all() {
            let full = format!("{}:{}", event.system(), event.name());
            let named = |word: &str| is_named(event, word);
            assert!(named(&full) && named("*:*") && named("*"));
            assert!(named(event.name()) && named(event.system()));
            assert!(!named("sched:nothing") && !named("nothing:*"));
        }
        assert_eq!(set_by_names(["sched:nothing"]), Err(Errno::EINVAL));
    }
}
