//! What is on the other side of a terminal.

/// The device that a terminal sends to: a serial port, or the master side of a pseudo terminal.
///
/// Input comes the other way, by [`Tty::receive`](crate::Tty::receive). Called by tasks, which may
/// hold sleeping locks; nothing here waits for the other side.
pub trait Driver: Send + Sync {
    /// Sends bytes; at most [`room`](Self::room) of them are given. Calls come one at a time.
    fn write(&self, bytes: &[u8]);

    /// How many bytes could be sent now. Does not sleep.
    fn room(&self) -> usize;

    /// How many bytes are on their way, for TIOCOUTQ. Does not sleep.
    fn unsent(&self) -> usize {
        0
    }

    /// Throws away what is on its way.
    fn flush(&self) {}

    /// Somebody has read: input that was refused for want of room may be offered again. Does not
    /// sleep.
    fn input_wanted(&self) {}

    /// Whether somebody is on the other side, or may come.
    fn is_connected(&self) -> bool {
        true
    }

    /// The last open file of the terminal has been closed.
    fn closed(&self) {}
}
