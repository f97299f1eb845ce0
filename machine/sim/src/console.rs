//! The serial console and the kernel log's way out: kept, and shown when a run fails.

use std::collections::VecDeque;
use std::io::Write;

use crate::machine::here;

/// Bytes that are kept of each.
const KEPT: usize = 16 * 1024;

/// What has been written.
#[derive(Debug)]
pub(crate) struct Console {
    live: bool,
    output: VecDeque<u8>,
    log: VecDeque<u8>,
}

impl Console {
    /// `live`: also writes everything to the host's standard error at once.
    pub(crate) fn new(live: bool) -> Self {
        Self { live, output: VecDeque::new(), log: VecDeque::new() }
    }

    /// The end of what was written to the console.
    pub(crate) fn output(&self) -> String {
        text(&self.output)
    }

    /// The end of the log.
    pub(crate) fn log(&self) -> String {
        text(&self.log)
    }

    fn keep(&mut self, log: bool, bytes: &[u8]) {
        let kept = if log { &mut self.log } else { &mut self.output };
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
        if self.live {
            // Nobody to tell if standard error is gone.
            let _ = std::io::stderr().write_all(bytes);
        }
    }
}

fn text(bytes: &VecDeque<u8>) -> String {
    let (front, back) = bytes.as_slices();
    String::from_utf8_lossy(&[front, back].concat()).into_owned()
}

/// Sends bytes to the console.
pub fn write(bytes: &[u8]) {
    here().console.borrow_mut().keep(false, bytes);
}

/// Bytes that have come in ([`crate::sim::type_in`]).
pub fn read(buffer: &mut [u8]) -> usize {
    let mut input = here().input.borrow_mut();
    let count = buffer.len().min(input.len());
    for (to, from) in buffer.iter_mut().zip(input.drain(..count)) {
        *to = from;
    }
    count
}

/// The kernel log's way out.
pub fn log(bytes: &[u8]) {
    here().console.borrow_mut().keep(true, bytes);
}

/// The byte behind a break: this line has none.
#[must_use]
pub fn sysrq() -> Option<u8> {
    None
}
