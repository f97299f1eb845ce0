//! The console: open it, set it up as the host wants it, empty it at the end.

use crate::order::Order;
use runtime::terminal::{self, ECHO, ICRNL, ISIG, IXON, OPOST, VEOF, VLNEXT};
use runtime::{Result, file};

/// Makes the console standard input, output and error: the terminal behind it where there is one, because kernels
/// do not stop background jobs that read or write `/dev/console` itself.
pub(crate) fn open() -> Result<()> {
    let console = file::open(c"/dev/ttyS0", file::O_RDWR)
        .or_else(|_| file::open(c"/dev/console", file::O_RDWR))?;
    for standard in 0..3 {
        if standard != console {
            file::dup2(console, standard)?;
        }
    }
    if console > 2 {
        file::close(console)?;
    }
    Ok(())
}

/// Sets terminal size and modes. A console without them is used as it is.
pub(crate) fn set_up(order: &Order) {
    if let Some((rows, columns)) = order.size {
        let _ = terminal::set_size(0, rows, columns);
    }
    let Ok(mut settings) = terminal::settings(0) else {
        return;
    };
    if order.raw_output {
        settings.output &= !OPOST;
    }
    if order.raw_input {
        settings.input &= !(ICRNL | IXON);
        settings.local &= !(ECHO | ISIG);
        // Canonical mode stays, for end of file; the host quotes the two characters that keep a meaning.
        for (index, character) in settings.characters.iter_mut().enumerate() {
            if index != VEOF && index != VLNEXT {
                *character = 0;
            }
        }
    }
    let _ = terminal::set(0, &settings);
}

/// Waits until all output has left the machine.
pub(crate) fn drain() {
    let _ = terminal::drain(1);
}
