//! Addresses in the kernel's log, made readable.

use crate::project;
use std::fmt::Write;
use std::path::Path;

/// The debug information of an image.
pub(crate) struct Symbols(Option<addr2line::Loader>);

impl Symbols {
    /// Loads an image's debug information. Without any, lines stay as they are.
    pub(crate) fn load(image: &Path) -> Self {
        Self(addr2line::Loader::new(image).ok())
    }

    /// The line; if it has an address as backtraces show them, with what is there, and who it was inlined into, in place of
    /// what the kernel knows of that.
    pub(crate) fn annotate(&self, line: &str) -> String {
        let Some((address, end)) = address_in(line) else { return line.to_owned() };
        let mut found = String::new();
        // Infallible for a string.
        let _ = self.describe(address, &mut found);
        if found.is_empty() { line.to_owned() } else { line[..end].to_owned() + &found }
    }

    fn describe(&self, address: u64, text: &mut String) -> std::fmt::Result {
        let Some(loader) = &self.0 else {
            return Ok(());
        };
        // The address is where the called function returns to, which may be in another line or even
        // another function than the call itself.
        let call = address.wrapping_sub(1);
        let mut frames = inlined_frames(loader, call);
        // The function that the code belongs to has a symbol, whose name says more than the debug information.
        if let Some(symbol) = loader.find_symbol(call) {
            let name = addr2line::demangle_auto(symbol.into(), None).into_owned();
            match frames.last_mut() {
                Some(outermost) => outermost.name = name,
                None => frames.push(Frame { name, place: String::new() }),
            }
        }
        for (index, Frame { name, place }) in frames.iter().enumerate() {
            let before = if index == 0 { " " } else { "\n        inlined into " };
            write!(text, "{before}{}{place}", without_generics(without_hash(name)))?;
        }
        Ok(())
    }
}

/// A function that an address belongs to.
struct Frame {
    name: String,
    /// ` at FILE:LINE`, or nothing.
    place: String,
}

/// The functions at an address, from the innermost out to the one that the others were inlined into.
fn inlined_frames(loader: &addr2line::Loader, address: u64) -> Vec<Frame> {
    let mut found = Vec::new();
    let Ok(mut frames) = loader.find_frames(address) else {
        return found;
    };
    while let Ok(Some(frame)) = frames.next() {
        let name = frame.function.as_ref().and_then(|function| function.demangle().ok());
        let place = frame.location.and_then(|location| {
            let line = location.line.map_or_else(String::new, |line| format!(":{line}"));
            Some(format!(" at {}{line}", readable(location.file?)))
        });
        found.push(Frame {
            name: name.map_or_else(|| "?".into(), |name| name.into_owned()),
            place: place.unwrap_or_default(),
        });
    }
    found
}

/// A source file's name without what is the same for all of its kind.
fn readable(file: &str) -> String {
    match file.strip_prefix("/rustc/").and_then(|rest| rest.split_once("/library/")) {
        Some((_hash, file)) => file.to_owned(),
        None => project::readable(Path::new(file)).to_string(),
    }
}

/// A name without the arguments of generic functions and types, which make it unreadable.
pub(crate) fn without_generics(name: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0;
    let mut previous = ' ';
    for character in name.chars() {
        // One that starts a path is a type's name and stays: `<T as Trait>::function`.
        let opens =
            character == '<' && (depth > 0 || previous.is_alphanumeric() || previous == ':');
        let closes = character == '>' && depth > 0 && previous != '-';
        depth += i32::from(opens);
        if depth == 0 {
            kept.push(character);
        }
        depth -= i32::from(closes);
        previous = character;
    }
    kept.replace("::::", "::").trim_end_matches("::").to_owned()
}

/// The address of a backtrace's frame, `[<ffffffff80101234>]`, and where that ends in the line.
fn address_in(line: &str) -> Option<(u64, usize)> {
    let (before, rest) = line.split_once("[<")?;
    let (digits, _) = rest.split_once(">]")?;
    let address = u64::from_str_radix(digits.trim_start_matches("0x"), 16).ok()?;
    Some((address, before.len() + digits.len() + "[<>]".len()))
}

/// A demangled name without the hash that rustc's older scheme puts at its end.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            path
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found() {
        let line = "[    0.5]  [<ffffffff80101234>] pipe::read+0x1/0x2";
        let (address, end) = address_in(line).unwrap();
        assert_eq!((address, &line[end..]), (0xffff_ffff_8010_1234, " pipe::read+0x1/0x2"));
        assert_eq!(address_in("[    0.5] no address"), None);
        assert_eq!(address_in("[<not hex>]"), None);
    }

    #[test]
    fn hashes_are_cut_off() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hello"), "a::hello");
    }

    #[test]
    fn generics_are_cut_off() {
        assert_eq!(without_generics("a::f::<b::C<d>, fn(e) -> g>"), "a::f");
        assert_eq!(without_generics("f<A>"), "f");
        assert_eq!(without_generics("<A as B<C>>::f"), "<A as B>::f");
        assert_eq!(without_generics("A<B>::f::{closure#0}"), "A::f::{closure#0}");
    }

    #[test]
    fn without_debug_information_lines_stay() {
        let symbols = Symbols::load(Path::new("/nonexistent"));
        let line = "[    0.5]  [<ffffffff80101234>] pipe::read+0x1/0x2";
        assert_eq!(symbols.annotate(line), line);
    }
}
