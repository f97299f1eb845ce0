//! The records as a file, and the rings that they are in.

use alloc::format;
use alloc::sync::Arc;
use core::fmt::Write;

use errno::{Errno, Result};
use kernfs::{Attribute, Directory, Text, parse_integer};
use trace::line::{Cursor, Entry};

pub(crate) fn register(root: &Arc<Directory>) -> Result<()> {
    root.add_file(
        "trace",
        Attribute::shown(show)
            .store(|_| {
                trace::clear();
                Ok(())
            })
            .truncate(trace::clear)
            .permissions(0o640),
    )?;
    root.add_file(
        "buffer_size_kb",
        Attribute::shown(|text| Ok(writeln!(text, "{}", trace::ring_size() / 1024)?)).store(
            |bytes| {
                let size = usize::try_from(parse_integer(bytes)?).ok();
                let bytes = size.and_then(|size| size.checked_mul(1024));
                trace::set_ring_size(bytes.ok_or(Errno::EINVAL)?)
            },
        ),
    )?;
    root.add_file(
        "buffer_total_size_kb",
        Attribute::shown(|text| {
            Ok(writeln!(text, "{}", trace::ring_size() / 1024 * machine::cpu::count())?)
        }),
    )?;
    for cpu in 0..machine::cpu::count() {
        let directory = root.subdirectory(&format!("per_cpu/cpu{cpu}"))?;
        directory.add_file("stats", Attribute::shown(move |text| statistics(cpu, text)))?;
    }
    Ok(())
}

fn show(text: &mut Text) -> Result<()> {
    trace::line::write_header(text)?;
    let mut cursor = Cursor::new(false);
    let mut entry = Entry::new();
    while cursor.next(&mut entry) {
        writeln!(text, "{entry}")?;
    }
    Ok(())
}

fn statistics(cpu: usize, text: &mut Text) -> Result<()> {
    let (size, counts) =
        trace::with_ring(cpu, |ring| (ring.size(), ring.counts())).ok_or(Errno::ENODEV)?;
    writeln!(text, "entries: {}", counts.entries)?;
    writeln!(text, "overrun: {}", counts.overrun)?;
    writeln!(text, "commit overrun: 0")?;
    writeln!(text, "bytes: {size}")?;
    let now = time::monotonic() / time::MICROSECOND;
    writeln!(text, "now ts: {:5}.{:06}", now / 1_000_000, now % 1_000_000)?;
    writeln!(text, "dropped events: 0")?;
    writeln!(text, "read events: {}", counts.read)?;
    Ok(())
}
