//! `/proc/sys/fs`.

use core::fmt::Write;

use errno::Result;
use fs::File;

use super::{Sysctl, register_sysctl};

pub(super) fn register() -> Result<()> {
    let file_max = Sysctl::number(
        || i64::try_from(File::counts().1).unwrap_or(i64::MAX),
        0..=i64::MAX,
        |value| {
            File::set_max(value as u64);
            Ok(())
        },
    );
    register_sysctl("fs/file-max", 0o644, file_max)?;
    let file_nr = Sysctl::shown(|text| {
        let (open, max) = File::counts();
        Ok(writeln!(text, "{open}\t0\t{max}")?)
    });
    register_sysctl("fs/file-nr", 0o444, file_nr)?;
    let nr_open = Sysctl::shown(|text| Ok(writeln!(text, "{}", fs::NR_OPEN)?));
    register_sysctl("fs/nr_open", 0o444, nr_open)
}
