//! `/proc/sys`: settings that other parts of the kernel register.
//!
//! A setting is a file with a path below `/proc/sys`. Numbers are read and written as decimal text
//! and checked against their bounds:
//!
//! ```ignore
//!   static TIMEOUT: AtomicI64 = AtomicI64::new(120);
//!   let timeout = Sysctl::integer(&TIMEOUT, 0..=i64::MAX);
//!   register_sysctl("kernel/hung_task_timeout_secs", 0o644, timeout)?;
//! ```

mod fs_values;
mod ipc_values;
mod kernel;
mod random;
mod taint_values;
mod vm_values;
mod watchdog;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicI64, Ordering};

use errno::{Errno, Result};
use kernfs::{Attribute, Directory, Text, parse_integer};

/// A setting's two functions. Both are called by tasks holding no lock, and may sleep.
pub struct Sysctl(Attribute);

impl Sysctl {
    /// A setting that can only be read.
    pub fn shown(show: impl Fn(&mut Text) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Attribute::new().show(show))
    }

    /// A setting with functions of its own. What `store` gets is one `write`'s bytes, its newline
    /// included.
    pub fn new(
        show: impl Fn(&mut Text) -> Result<()> + Send + Sync + 'static,
        store: impl Fn(&[u8]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Attribute::new().show(show).store(store))
    }

    /// A number that is somebody's variable. Writing what is out of bounds gives EINVAL and changes
    /// nothing.
    pub fn integer(value: &'static AtomicI64, bounds: RangeInclusive<i64>) -> Self {
        Self::number(
            move || value.load(Ordering::Relaxed),
            bounds,
            move |new| {
                value.store(new, Ordering::Relaxed);
                Ok(())
            },
        )
    }

    /// A number that is read and set by functions. Writing what is out of bounds gives EINVAL; of
    /// several numbers the first counts.
    pub fn number(
        get: impl Fn() -> i64 + Send + Sync + 'static,
        bounds: RangeInclusive<i64>,
        set: impl Fn(i64) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(
            move |text| Ok(writeln!(text, "{}", get())?),
            move |bytes| {
                let value = first_number(bytes)?;
                if bounds.contains(&value) { set(value) } else { Err(Errno::EINVAL) }
            },
        )
    }

    /// A text that never changes.
    pub fn constant(value: &'static str) -> Self {
        Self::shown(move |text| Ok(writeln!(text, "{value}")?))
    }
}

/// Makes a setting known under a path below `/proc/sys`, such as `kernel/panic`. May sleep.
///
/// # Errors
/// EEXIST: there is one. ENOTDIR: part of the path is a setting. ENOMEM.
pub fn register_sysctl(path: &str, permissions: u32, sysctl: Sysctl) -> Result<()> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    root()?.subdirectory(directory)?.add_file(name, sysctl.0.permissions(permissions).fixed_owner())
}

fn root() -> Result<Arc<Directory>> {
    crate::files().subdirectory("sys")
}

fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).filter(|word| !word.is_empty())
}

/// The longest word that is a number, in bytes.
const LONGEST: usize = 20;

/// A word that is a number: decimal, or as in C with 0x or 0 before it.
///
/// # Errors
/// EINVAL: it is none, has something before or behind it, or is too long.
fn number(word: &[u8]) -> Result<i64> {
    match word {
        [b'-' | b'0'..=b'9', ..]
            if word.len() <= LONGEST && word.last().is_some_and(u8::is_ascii_hexdigit) =>
        {
            parse_integer(word)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The numbers in a line, for settings that hold several.
///
/// # Errors
/// EINVAL: something else is in it.
fn parse_numbers(bytes: &[u8]) -> Result<Vec<i64>> {
    words(bytes).map(number).collect()
}

/// The number that a line begins with, for settings that hold one.
///
/// # Errors
/// EINVAL: it does not begin with one.
fn first_number(bytes: &[u8]) -> Result<i64> {
    number(words(bytes).next().ok_or(Errno::EINVAL)?)
}

/// Cuts a written text at its newline or NUL.
fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == b'\n' || byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// Registers what is there from the start.
pub(crate) fn register() -> Result<()> {
    kernel::register()?;
    random::register()?;
    taint_values::register()?;
    fs_values::register()?;
    vm_values::register()?;
    ipc_values::register()?;
    watchdog::register()
}

#[cfg(test)]
mod tests {
    use super::{first_number, line, parse_numbers};
    use errno::Errno;

    #[test]
    fn several_numbers_in_a_line() {
        assert_eq!(parse_numbers(b"4 4\t1 7\n"), Ok([4, 4, 1, 7].to_vec()));
        assert_eq!(parse_numbers(b"4 x"), Err(Errno::EINVAL));
        assert_eq!(parse_numbers(b"\n"), Ok([].to_vec()));
    }

    #[test]
    fn the_first_number_in_a_line() {
        assert_eq!(first_number(b"1 2 x\n"), Ok(1));
        assert_eq!(first_number(b" -7\n"), Ok(-7));
        assert_eq!(first_number(b"4x 2"), Err(Errno::EINVAL));
        assert_eq!(first_number(b"0x10\n"), Ok(16));
        for bad in [&b"\n"[..], b"+1", b"1\0", b"1\r\n", b"000000000000000000001"] {
            assert_eq!(first_number(bad), Err(Errno::EINVAL), "{bad:?}");
        }
    }

    #[test]
    fn a_name_ends_with_its_line() {
        assert_eq!(line(b"heddle\n"), b"heddle");
        assert_eq!(line(b"a\0b"), b"a");
    }
}
