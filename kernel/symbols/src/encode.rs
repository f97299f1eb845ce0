//! Writing a table: for the tool that builds the image.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use crate::{NAMELESS, WAITING};

/// A function, for [`encode`].
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    /// Where it starts, from the image's start on.
    pub start: u32,
    /// What it is to be called; of a longer name the first 255 bytes count.
    pub name: Option<&'a str>,
    /// It is part of waiting itself.
    pub is_waiting: bool,
}

/// The table of some functions in ascending order. The last one is where the code ends.
pub fn encode(functions: &[Function<'_>]) -> Vec<u8> {
    let (mut entries, mut names, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
    for function in functions {
        let place = function.name.map_or(NAMELESS, |name| {
            *known.entry(name).or_insert_with(|| {
                let place = names.len() as u32;
                let length = name.floor_char_boundary(usize::from(u8::MAX));
                names.push(length as u8);
                names.extend(&name.as_bytes()[..length]);
                place
            })
        });
        let place = if function.is_waiting { place | WAITING } else { place };
        if entries.last().is_none_or(|&(_, last)| last != place || place != NAMELESS) {
            entries.push((function.start, place));
        }
    }
    let mut table = Vec::from((entries.len() as u32).to_le_bytes());
    for (start, place) in entries {
        table.extend(start.to_le_bytes());
        table.extend(place.to_le_bytes());
    }
    table.extend(names);
    table
}
