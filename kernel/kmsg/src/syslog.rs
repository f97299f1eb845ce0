//! Records as `syslog` and `/proc/kmsg` show them: `<level>[time] text`, a line each.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use errno::{Errno, Result};

/// A record as a line.
pub fn format_record(record: &klog::Record) -> String {
    format!("<{}>{record}\n", record.level)
}

/// How large the log could become as text: with its level, its time and a newline, a record is not three times as long as in the ring.
pub fn syslog_buffer_size() -> usize {
    3 * klog::CAPACITY
}

/// The newest lines of the log, as many as fit in `limit` bytes, oldest first. May sleep.
///
/// # Errors
/// ENOMEM.
pub fn syslog_read_all(limit: usize) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    let mut next = klog::first_sequence();
    while let Some(record) = klog::read(next) {
        next = record.sequence + 1;
        lines.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        lines.push(format_record(&record));
    }
    let mut room = limit;
    let fitting = lines.iter().rev().take_while(|line| {
        let fits = line.len() <= room;
        room = room.saturating_sub(line.len());
        fits
    });
    let first = lines.len() - fitting.count();
    let mut text = Vec::new();
    for line in &lines[first..] {
        text.try_reserve(line.len()).map_err(|_| Errno::ENOMEM)?;
        text.extend_from_slice(line.as_bytes());
    }
    Ok(text)
}
