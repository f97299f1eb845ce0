//! Addresses in the kernel's log, made readable.

use crate::project;
use std::fmt::Write;
use std::path::Path;

/// The debug information of an image.
pub struct Symbols(Option<addr2line::Loader>);

impl Symbols {
    /// Loads an image's debug information. Without any, lines stay as they are.
    pub fn load(image: &Path) -> Self {
        Self(addr2line::Loader::new(image).ok())
    }

    /// The line; if it has an address as backtraces show them, with what is there, and who it was inlined into.
    pub fn annotate(&self, line: &str) -> String {
        let mut text = line.to_owned();
        if let Some(address) = address_in(line) {
            // Infallible for a string.
            let _ = self.describe(address, &mut text);
        }
        text
    }

    fn describe(&self, address: u64, text: &mut String) -> std::fmt::Result {
        // The address is where the called function returns to, which may be in another line or even
        // another function than the call itself.
        let call = address.wrapping_sub(1);
        let Some(mut frames) = self.0.as_ref().and_then(|loader| loader.find_frames(call).ok())
        else {
            return Ok(());
        };
        let mut is_first = true;
        while let Ok(Some(frame)) = frames.next() {
            if !is_first {
                text.push_str("\n        inlined into");
            }
            is_first = false;
            match frame.function.as_ref().map(|function| function.demangle()) {
                Some(Ok(name)) => write!(text, " {}", without_hash(&name))?,
                _ => text.push_str(" ?"),
            }
            if let Some(location) = frame.location
                && let Some(file) = location.file
            {
                write!(text, " at {}", project::readable(Path::new(file)))?;
                if let Some(line) = location.line {
                    write!(text, ":{line}")?;
                }
            }
        }
        Ok(())
    }
}

/// The address of a backtrace's frame: `[<ffffffff80101234>]`.
fn address_in(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("[<")?;
    let (digits, _) = rest.split_once(">]")?;
    u64::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
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
        let line = "[    0.5]  [<ffffffff80101234>]";
        assert_eq!(address_in(line), Some(0xffff_ffff_8010_1234));
        assert_eq!(address_in("[    0.5] no address"), None);
        assert_eq!(address_in("[<not hex>]"), None);
    }

    #[test]
    fn hashes_are_cut_off() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hello"), "a::hello");
    }

    #[test]
    fn without_debug_information_lines_stay() {
        let symbols = Symbols::load(Path::new("/nonexistent"));
        let line = "[    0.5]  [<ffffffff80101234>]";
        assert_eq!(symbols.annotate(line), line);
    }
}
