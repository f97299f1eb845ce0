//! `/etc/heddle/run`: what the host wants, as records `key=value`, each ended by a NUL.
//!
//! | key | meaning |
//! |---|---|
//! | `arg` | the next word of the command; none at all: a shell |
//! | `env` | an addition to the environment, `NAME=VALUE` |
//! | `rows`, `columns` | the terminal's size |
//! | `input=raw` | no echo, no signals, no editing but end of file: the input is a file, not a person |
//! | `output=raw` | bytes leave the console as they were written |
//! | `end=port` | the kernel is not Heddle: tell the machine the status without its help |

use core::ffi::CStr;
use runtime::string;

/// The host's wishes.
#[derive(Default)]
pub(crate) struct Order<'a> {
    text: &'a [u8],
    /// The terminal's size, rows and columns.
    pub size: Option<(u16, u16)>,
    /// Input comes from a file.
    pub raw_input: bool,
    /// Output goes to a file.
    pub raw_output: bool,
    /// The status goes to the machine's ports and not through `reboot`.
    pub end_by_port: bool,
}

impl<'a> Order<'a> {
    /// Reads the records; unknown ones are passed over.
    pub(crate) fn parse(text: &'a [u8]) -> Self {
        let mut order = Self { text, ..Self::default() };
        let (mut rows, mut columns) = (None, None);
        for (key, value) in order.records() {
            let value = value.to_bytes();
            match (key, value) {
                (b"rows", value) => rows = size(value),
                (b"columns", value) => columns = size(value),
                (b"input", b"raw") => order.raw_input = true,
                (b"output", b"raw") => order.raw_output = true,
                (b"end", b"port") => order.end_by_port = true,
                _ => {}
            }
        }
        order.size = rows.zip(columns);
        order
    }

    /// The command's words.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &'a CStr> {
        self.values(b"arg")
    }

    /// Additions to the environment.
    pub(crate) fn environment(&self) -> impl Iterator<Item = &'a CStr> {
        self.values(b"env")
    }

    fn values(&self, wanted: &'static [u8]) -> impl Iterator<Item = &'a CStr> {
        self.records().filter(move |(key, _)| *key == wanted).map(|(_, value)| value)
    }

    fn records(&self) -> impl Iterator<Item = (&'a [u8], &'a CStr)> + use<'a> {
        self.text.split_inclusive(|&byte| byte == 0).filter_map(|record| {
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let value = CStr::from_bytes_with_nul(&record[equals + 1..]).ok()?;
            Some((&record[..equals], value))
        })
    }
}

fn size(value: &[u8]) -> Option<u16> {
    string::number(value)?.try_into().ok()
}
