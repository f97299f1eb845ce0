//! Scripts: files that name their interpreter in the first line.

/// How much of a file is looked at to find out what it is (Linux's `BINPRM_BUF_SIZE`).
pub const BEGINNING: usize = 256;

/// The first line of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// The interpreter's path.
    pub interpreter: &'a [u8],
    /// All that follows on the line, as one argument.
    pub argument: Option<&'a [u8]>,
}

/// What the beginning of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine<'a> {
    /// It does not start with `#!`.
    NotAScript,
    /// It does, and names no interpreter, or one whose path is cut off by the end of what was read.
    Bad,
    /// It names one.
    Script(Script<'a>),
}

impl<'a> FirstLine<'a> {
    /// Reads the first [`BEGINNING`] bytes of a file, or all of it if it is shorter.
    pub fn parse(beginning: &'a [u8]) -> Self {
        let Some(rest) = beginning.strip_prefix(b"#!") else {
            return Self::NotAScript;
        };
        let end = rest.iter().position(|&byte| matches!(byte, b'\n' | 0));
        let line = trim(&rest[..end.unwrap_or(rest.len())]);
        let name_end = line.iter().position(|&byte| is_blank(byte));
        let interpreter = &line[..name_end.unwrap_or(line.len())];
        let cut_off = end.is_none() && name_end.is_none() && beginning.len() >= BEGINNING;
        if interpreter.is_empty() || cut_off {
            return Self::Bad;
        }
        let argument = trim(&line[interpreter.len()..]);
        Self::Script(Script { interpreter, argument: (!argument.is_empty()).then_some(argument) })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line
        && is_blank(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_blank(*last)
    {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script<'a>(interpreter: &'a str, argument: Option<&'a str>) -> FirstLine<'a> {
        let argument = argument.map(str::as_bytes);
        FirstLine::Script(Script { interpreter: interpreter.as_bytes(), argument })
    }

    #[test]
    fn c7_first_lines_are_read_as_linux_reads_them() {
        for (line, expected) in [
            ("echo\n", FirstLine::NotAScript),
            ("#!/bin/sh\necho", script("/bin/sh", None)),
            ("#!  /bin/sh\t -e -x  \n", script("/bin/sh", Some("-e -x"))),
            ("#!/bin/sh", script("/bin/sh", None)),
            ("#!\n/bin/sh", FirstLine::Bad),
            ("#!   \t\n", FirstLine::Bad),
            ("#!/bin/a\0b\n", script("/bin/a", None)),
        ] {
            assert_eq!(FirstLine::parse(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn c7_an_interpreter_that_is_cut_off_is_refused() {
        let mut line = b"#!/".to_vec();
        line.resize(BEGINNING, b'x');
        assert_eq!(FirstLine::parse(&line), FirstLine::Bad);
        line[100] = b' ';
        assert!(matches!(FirstLine::parse(&line), FirstLine::Script(_)));
    }
}
