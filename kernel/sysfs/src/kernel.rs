//! `/sys/kernel`: how often something has gone wrong.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::Result;
use kernfs::{Attribute, Directory};
use taint::{OOPSES, Tally, WARNINGS};

pub(crate) fn register(directory: &Arc<Directory>) -> Result<()> {
    let counts: [(&str, &'static Tally); 2] = [("oops_count", &OOPSES), ("warn_count", &WARNINGS)];
    counts.into_iter().try_for_each(|(name, tally)| {
        let count = Attribute::shown(move |text| Ok(writeln!(text, "{}", tally.count())?));
        directory.add_file(name, count)
    })
}
