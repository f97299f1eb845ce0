//! What comes over the kernel's log channel: lines for people, and records for this tool.
//!
//! A line is a time stamp in brackets and a message. A record starts with the byte 0x1e; `exit N` says with what
//! status the kernel ends the machine.

/// Starts a record.
const RECORD: u8 = 0x1e;

/// The words with which a panic begins.
const PANIC: &str = "Kernel panic - not syncing";

/// Something that the kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A line of the log.
    Line(String),
    /// The kernel ends the machine with this status.
    Exit(u8),
}

/// Cuts the channel's bytes into items.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    partial: Vec<u8>,
}

impl Parser {
    /// Takes bytes as they come and gives every item that they complete to `sink`.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Item)) {
        for &byte in bytes {
            match byte {
                b'\n' => self.complete(sink),
                // CPUs may write at once: a record can begin in the middle of a line.
                RECORD if !self.partial.is_empty() => {
                    self.complete(sink);
                    self.partial.push(byte);
                }
                byte => self.partial.push(byte),
            }
        }
    }

    /// Gives what is left when no more will come.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(Item)) {
        if !self.partial.is_empty() {
            self.complete(sink);
        }
    }

    fn complete(&mut self, sink: &mut dyn FnMut(Item)) {
        let text = std::mem::take(&mut self.partial);
        if let Some(record) = text.strip_prefix(&[RECORD]) {
            let status = std::str::from_utf8(record)
                .ok()
                .and_then(|record| record.trim_end().strip_prefix("exit ")?.parse().ok());
            if let Some(status) = status {
                sink(Item::Exit(status));
                return;
            }
        }
        let line = String::from_utf8_lossy(&text);
        sink(Item::Line(line.trim_end_matches('\r').to_owned()));
    }
}

/// The line without its time stamp.
pub(crate) fn message(line: &str) -> &str {
    parts(line).map_or(line, |(_, message)| message)
}

/// The line's time stamp, in seconds since the kernel began.
pub(crate) fn time(line: &str) -> Option<f64> {
    parts(line)?.0.trim_start().parse().ok()
}

/// Time stamp and message of a line that has both.
fn parts(line: &str) -> Option<(&str, &str)> {
    let (stamp, message) = line.strip_prefix('[')?.split_once("] ")?;
    let is_time = stamp.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'.'));
    is_time.then_some((stamp, message))
}

/// Whether a panic begins with this line.
pub(crate) fn is_panic(line: &str) -> bool {
    message(line).starts_with(PANIC)
}

/// What the kernel says in its own name, such as why it will not boot.
pub(crate) fn own_words(line: &str) -> Option<&str> {
    message(line).strip_prefix("heddle: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Item> {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, &mut |item| items.push(item));
        }
        parser.finish(&mut |item| items.push(item));
        items
    }

    fn line(text: &str) -> Item {
        Item::Line(text.into())
    }

    #[test]
    fn lines_may_come_in_pieces() {
        assert_eq!(
            parse(&[b"[    0.1", b"] one\r\ntw", b"o\n", b"rest"]),
            [line("[    0.1] one"), line("two"), line("rest")]
        );
    }

    #[test]
    fn records_are_told_from_lines() {
        assert_eq!(
            parse(&[b"half a li\x1eexit 255\n", b"\x1eexit 256\n"]),
            [line("half a li"), Item::Exit(255), line("\x1eexit 256")]
        );
    }

    #[test]
    fn stamps_are_cut_off() {
        assert_eq!(message("[    0.123456] hello"), "hello");
        assert_eq!(message("[kthreadd] hello"), "[kthreadd] hello");
        assert!(is_panic("[    1.0] Kernel panic - not syncing: Attempted to kill init!"));
        assert!(!is_panic("about Kernel panic - not syncing"));
    }

    #[test]
    fn the_kernel_speaks_for_itself() {
        let line = "[    0.1] heddle: unknown kernel parameter \"a\"";
        assert_eq!(own_words(line), Some("unknown kernel parameter \"a\""));
        assert_eq!(own_words("[    0.1] init: ready"), None);
    }
}
