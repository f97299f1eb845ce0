//! Directory listings that begin with `.` and `..`.

use errno::Result;
use fs::{DirectorySink, File, FileType, emit_dots};

/// The positions of the two dots.
const DOTS: u64 = 2;

/// Lists a directory: first the dots, then what `list` gives, whose own positions begin at 0.
/// `list` moves its position behind each entry that the sink took, and stops at the first that it
/// did not take.
///
/// # Errors
/// Those of `list`; what `stat` says of the directory.
pub fn list_with_dots(
    file: &File,
    position: &mut u64,
    to: &mut dyn DirectorySink,
    list: impl FnOnce(&mut u64, &mut dyn DirectorySink) -> Result<()>,
) -> Result<()> {
    if !emit_dots(file, position, to)? {
        return Ok(());
    }
    let mut own = *position - DOTS;
    let outcome = list(&mut own, &mut Shifted(to));
    *position = own + DOTS;
    outcome
}

/// Moves positions behind the dots.
struct Shifted<'a>(&'a mut dyn DirectorySink);

impl DirectorySink for Shifted<'_> {
    fn entry(&mut self, name: &[u8], inode: u64, file_type: FileType, next: u64) -> bool {
        self.0.entry(name, inode, file_type, next + DOTS)
    }
}
