//! `timer_list`.

use core::fmt::Write;

use errno::Result;
use kernfs::Text;

pub(super) fn timer_list(text: &mut Text) -> Result<()> {
    let mut outcome = Ok(());
    time::timer_list::write(&mut |line| {
        if outcome.is_ok() {
            outcome = writeln!(text, "{line}");
        }
    });
    Ok(outcome?)
}
