//! The names of the kernel's functions, written into its image: `/proc/PID/wchan` and `/proc/PID/stack` show them.
//!
//! The linker script leaves room for the table. Written afterwards, it moves no address, so one link is enough.

use crate::machine::symbols::without_generics;
use crate::project;
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSegment, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use symbols::Function;

/// Crates and modules whose functions are part of waiting itself: a task waits not in them but in whoever called them.
const WAITING: [&str; 4] = ["sched", "sync", "kthread::this", "kthread::freezer"];

/// The traits of what is called through a table: `Fn`, `FnMut`, `FnOnce`.
const CALLED: &str = "core::ops::function::Fn";

/// Writes the table into an image, if it is not there yet.
pub(super) fn embed(image: &Path) -> Result<()> {
    let bytes = fs::read(image)?;
    let file = object::File::parse(&*bytes)?;
    let address = |name: &str| {
        let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
        symbol.map(|symbol| symbol.address()).with_context(|| format!("no symbol {name}"))
    };
    let (start, end) = (address("__symbols_start")?, address("__symbols_end")?);
    let mut table = table(&file, address("__image_start")?, address("__text_end")?)?;
    let room = (end - start) as usize;
    ensure!(table.len() <= room, "they need {} bytes, and there is room for {room}", table.len());
    table.resize(room, 0);
    let at = offset_of(&file, start)?;
    if bytes.get(at..at + room).context("the room is not in the file")? == table {
        return Ok(());
    }
    let written = OpenOptions::new().write(true).open(image)?;
    Ok(written.write_all_at(&table, at as u64)?)
}

/// Where in the file an address is.
fn offset_of(file: &object::File<'_>, address: u64) -> Result<usize> {
    for segment in file.segments() {
        let (offset, size) = segment.file_range();
        if let Some(inside) = address.checked_sub(segment.address())
            && inside < size
        {
            return Ok((offset + inside) as usize);
        }
    }
    bail!("{address:#x} is in no segment of the image")
}

fn table(file: &object::File<'_>, base: u64, code_end: u64) -> Result<Vec<u8>> {
    let crates = crates()?;
    let mut functions = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| (base..code_end).contains(&symbol.address())) {
        let name = addr2line::demangle_auto(symbol.name()?.into(), None);
        let new = Name::of(&name, &crates);
        // Of several at one address, one with a name.
        let known = functions.entry(symbol.address()).or_insert(None);
        *known = known.take().or(new);
    }
    functions.insert(code_end, None);
    let functions: Vec<_> = functions
        .iter()
        .map(|(address, name)| Function {
            start: (address - base) as u32,
            name: name.as_ref().map(|name| &*name.shown),
            is_waiting: name.as_ref().is_some_and(|name| name.is_waiting),
        })
        .collect();
    Ok(symbols::encode(&functions))
}

/// The kernel's crates: other functions get no names.
fn crates() -> Result<BTreeSet<String>> {
    let directory = project::root().join("kernel");
    let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// What a function is called.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    shown: String,
    is_waiting: bool,
}

impl Name {
    /// The modules and the name of a function of one of the crates: not its type, as most modules are about one.
    fn of(demangled: &str, crates: &BTreeSet<String>) -> Option<Self> {
        let name = without_generics(demangled);
        // `<TYPE as TRAIT>::name` and `<TYPE>::name`; what is called through a table is itself the type.
        let path = match name.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            Some((kind, rest)) => match kind.split_once(" as ") {
                Some((function, called)) if called.starts_with(CALLED) => function.to_owned(),
                Some((kind, _)) => format!("{kind}{rest}"),
                None => format!("{kind}{rest}"),
            },
            None => name,
        };
        let is_plain = |part: &&str| part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let parts: Vec<_> = path.split("::").filter(is_plain).collect();
        let (&krate, rest) = parts.split_first()?;
        if rest.is_empty() || !crates.contains(krate) {
            return None;
        }
        let shown = match rest {
            [function] => format!("{krate}::{function}"),
            [module, function] if module == function => format!("{krate}::{function}"),
            _ => rest.join("::"),
        };
        let full = parts.join("::");
        let is_waiting = WAITING
            .iter()
            .any(|path| full.strip_prefix(path).is_some_and(|rest| rest.starts_with("::")));
        Some(Self { shown, is_waiting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_functions_are_called_by_their_modules() {
        let crates = ["fs", "sched", "kthread", "tty"].map(String::from).into();
        let of = |name: &str| Name::of(name, &crates).map(|name| (name.shown, name.is_waiting));
        let shown = |name: &str, shown: &str, is_waiting| {
            assert_eq!(of(name), Some((shown.to_owned(), is_waiting)), "{name}");
        };
        shown("<fs::pipe::PipeEnd as fs::operations::FileOperations>::read", "pipe::read", false);
        shown("fs::poll::poll_files", "poll::poll_files", false);
        shown("kthread::kthreadd::kthreadd", "kthread::kthreadd", false);
        shown("<kthread::this::This>::sleep", "this::sleep", true);
        shown(
            "<sched::wait::WaitQueue>::wait_map::<(), fs::pipe::f::{closure#0}>",
            "wait::wait_map",
            true,
        );
        shown("fs::epoll::item::Item::<T>::add::{closure#0}", "epoll::item::add", false);
        shown(
            "<tty::tty::flush::{closure#1} as core::ops::function::FnOnce<()>>::call_once::{shim:vtable#0}",
            "tty::flush",
            false,
        );
        shown("<fs::poll::ask as core::ops::function::Fn<(u8,)>>::call", "poll::ask", false);
        for nobodys in [
            "core::ptr::drop_in_place::<fs::File>",
            "<&T as core::fmt::Display>::fmt",
            "memcpy",
            "fs",
            "",
        ] {
            assert_eq!(of(nobodys), None, "{nobodys}");
        }
    }
}
