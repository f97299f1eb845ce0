//! The end of the machine, and what the host learns of it.

use crate::order::Order;
use core::ffi::CStr;
use core::fmt::{self, Write};
use runtime::process;

const LOG_PORT: u16 = 0xe9;
const EXIT_PORT: u16 = 0xf4;

/// Ends the machine. Returns only if the kernel refuses.
pub(crate) fn machine(order: &Order, status: u8) -> i32 {
    let mut word = Word::default();
    if order.end_by_port {
        // A word always has room for the largest status.
        let _ = writeln!(word, "\x1eexit {status}");
        let _ = process::write_port(LOG_PORT, word.text());
        let _ = process::write_port(EXIT_PORT, &[status]);
    }
    let refused = if order.arguments().next().is_none() {
        process::power_off()
    } else {
        word = Word::default();
        let _ = write!(word, "exit={status}");
        process::restart_with(word.string())
    };
    if let Err(error) = refused {
        runtime::eprintln!("init: reboot: error {}", error.0);
    }
    1
}

/// A short text that ends with a NUL.
#[derive(Default)]
struct Word {
    bytes: [u8; 16],
    length: usize,
}

impl Word {
    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn string(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

impl Write for Word {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        if end >= self.bytes.len() {
            return Err(fmt::Error);
        }
        self.bytes[self.length..end].copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
