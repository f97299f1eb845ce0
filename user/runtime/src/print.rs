//! `print!` and its kin, unbuffered but for one line's worth of formatting.

use crate::file;
use core::fmt::{self, Write};

/// A descriptor to print on.
pub struct Output {
    descriptor: i32,
    buffer: [u8; 256],
    length: usize,
}

impl Output {
    fn flush(&mut self) {
        // Nobody is there to be told that printing failed.
        let _ = file::write_all(self.descriptor, &self.buffer[..self.length]);
        self.length = 0;
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == self.buffer.len() {
                self.flush();
            }
            self.buffer[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Prints formatted text; what the macros below call.
pub fn print(descriptor: i32, text: fmt::Arguments) {
    let mut output = Output { descriptor, buffer: [0; 256], length: 0 };
    // Writing to the buffer does not fail, and no `Display` used here does.
    let _ = output.write_fmt(text);
    output.flush();
}

/// Prints a line on standard output.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => {
        $crate::print::print(1, format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints a line on standard error.
#[macro_export]
macro_rules! eprintln {
    ($($text:tt)*) => {
        $crate::print::print(2, format_args!("{}\n", format_args!($($text)*)))
    };
}
