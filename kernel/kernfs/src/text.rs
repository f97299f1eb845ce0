//! The text of a file as it is being written.

use alloc::vec::Vec;
use core::fmt;

use errno::{Errno, Result};

/// The numbers below 100, in two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Collects a file's contents. `write!` into it; running out of memory ends the writing, and is
/// ENOMEM in the end.
#[derive(Debug, Default)]
pub struct Text {
    bytes: Vec<u8>,
    out_of_memory: bool,
}

impl Text {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), out_of_memory: false }
    }

    /// Appends bytes that need not be UTF-8.
    ///
    /// # Errors
    /// ENOMEM.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() || self.out_of_memory {
            self.make_room(bytes.len())?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn make_room(&mut self, length: usize) -> Result<()> {
        /// Most files are shorter.
        const FIRST: usize = 256;
        let wanted = if self.bytes.is_empty() { length.max(FIRST) } else { length };
        if self.out_of_memory || self.bytes.try_reserve(wanted).is_err() {
            self.out_of_memory = true;
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Appends numbers in decimal, each after a blank: the fields of a line, for files that are read so often that formatting is
    /// what they cost.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push_fields(&mut self, numbers: &[u64]) -> Result<()> {
        numbers.iter().try_for_each(|&number| match number {
            // Most are.
            0..10 => self.push(&[b' ', b'0' + number as u8]),
            _ => self.push_field(number, false),
        })
    }

    /// Appends a number that may be negative in decimal, after a blank.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push_signed_field(&mut self, number: i64) -> Result<()> {
        self.push_field(number.unsigned_abs(), number < 0)
    }

    fn push_field(&mut self, number: u64, negative: bool) -> Result<()> {
        /// A blank, a sign, and the digits of the largest number.
        const LENGTH: usize = 22;
        let mut text = [b' '; LENGTH];
        let mut left = number;
        let mut start = LENGTH;
        // Two at a time: half the divisions.
        while left >= 10 {
            start -= 2;
            text[start..start + 2].copy_from_slice(&PAIRS[(left % 100) as usize]);
            left /= 100;
        }
        if left > 0 || start == LENGTH {
            start -= 1;
            text[start] = b'0' + left as u8;
        }
        if negative {
            start -= 1;
            text[start] = b'-';
        }
        self.push(&text[start - 1..])
    }

    /// Appends bytes, each of `special` and every backslash as a backslash and three octal digits,
    /// as tables in `/proc` show names.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push_escaped(&mut self, bytes: &[u8], special: &[u8]) -> Result<()> {
        for &byte in bytes {
            if byte == b'\\' || special.contains(&byte) {
                let digit = |shift: u8| b'0' + (byte >> shift & 7);
                self.push(&[b'\\', digit(6), digit(3), digit(0)])?;
            } else {
                self.push(&[byte])?;
            }
        }
        Ok(())
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The contents.
    ///
    /// # Errors
    /// ENOMEM: part of them found no memory.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        if self.out_of_memory { Err(Errno::ENOMEM) } else { Ok(self.bytes) }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Reads a number as user space writes one to a file: blanks around it, a sign, `0x` or `0` before
/// it.
///
/// # Errors
/// EINVAL: not a number. ERANGE is the caller's affair.
pub fn parse_integer(bytes: &[u8]) -> Result<i64> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    let (digits, radix) = if let Some(hex) = digits.strip_prefix("0x") {
        (hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    // A second sign would be taken for the number's.
    if digits.starts_with(['+', '-']) {
        return Err(Errno::EINVAL);
    }
    let value = i64::from_str_radix(digits, radix).map_err(|_| Errno::EINVAL)?;
    Ok(if negative { -value } else { value })
}

/// Reads on or off as user space writes it to a file, in any of the usual words: the first letter
/// tells, and with `on` and `off` the second.
///
/// # Errors
/// EINVAL: neither.
pub fn parse_bool(bytes: &[u8]) -> Result<bool> {
    match bytes {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] => Ok(true),
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] => Ok(false),
        [b'o' | b'O', b'n' | b'N', ..] => Ok(true),
        [b'o' | b'O', b'f' | b'F', ..] => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_tables_are_escaped() {
        let mut text = Text::new();
        text.push_escaped(b"a b\\c\td", b" \t\n").unwrap();
        assert_eq!(text.into_bytes().unwrap(), b"a\\040b\\134c\\011d");
    }

    #[test]
    fn on_and_off_have_several_words() {
        for on in ["1", "y", "Yes", "t", "True", "on", "ON\n"] {
            assert_eq!(parse_bool(on.as_bytes()), Ok(true), "{on}");
        }
        for off in ["0", "00", "n", "No", "f", "off", "OFF\n"] {
            assert_eq!(parse_bool(off.as_bytes()), Ok(false), "{off}");
        }
        for neither in ["", "\n", " 0", "2", "o", "x", "-1"] {
            assert_eq!(parse_bool(neither.as_bytes()), Err(Errno::EINVAL), "{neither}");
        }
    }

    #[test]
    fn fields_are_what_formatting_makes_of_them() {
        use core::fmt::Write;
        let (mut fields, mut formatted) = (Text::new(), Text::new());
        fields.push_fields(&[0, 7, 10, 4_294_967_296, u64::MAX, 99, 100, 109, 1000]).unwrap();
        for number in [i64::MIN, -1, 0, i64::MAX] {
            fields.push_signed_field(number).unwrap();
        }
        write!(
            formatted,
            " 0 7 10 4294967296 {} 99 100 109 1000 {} -1 0 {}",
            u64::MAX,
            i64::MIN,
            i64::MAX
        )
        .unwrap();
        assert_eq!(fields.into_bytes(), formatted.into_bytes());
    }

    #[test]
    fn numbers_are_read_as_the_shell_writes_them() {
        assert_eq!(parse_integer(b"42\n"), Ok(42));
        assert_eq!(parse_integer(b" -1 "), Ok(-1));
        assert_eq!(parse_integer(b"0x10"), Ok(16));
        assert_eq!(parse_integer(b"010"), Ok(8));
        assert_eq!(parse_integer(b"0"), Ok(0));
        for none in ["0-5", "0+5", "0x-5", "0x+5", "--5", "-0-5", "0x", "- 5"] {
            assert_eq!(parse_integer(none.as_bytes()), Err(Errno::EINVAL), "{none}");
        }
        for bad in [&b""[..], b"x", b"-", b"1x", b"--1", b"+-1", b"99999999999999999999"] {
            assert_eq!(parse_integer(bad), Err(Errno::EINVAL), "{bad:?}");
        }
    }
}
