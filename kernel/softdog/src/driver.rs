//! What a watchdog's driver does.

use errno::Result;

/// What a program is told by WDIOC_GETSUPPORT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// `WDIOF_*`.
    pub(crate) options: u32,
    /// Ends with NULs.
    pub(crate) identity: &'static str,
}

/// `WDIOF_SETTIMEOUT`: the time-out can be set.
pub(crate) const SETTIMEOUT: u32 = 0x0080;
/// `WDIOF_MAGICCLOSE`: it stops at a close only after the magic character.
pub(crate) const MAGICCLOSE: u32 = 0x0100;
/// `WDIOF_PRETIMEOUT`: there is a warning before the end.
pub(crate) const PRETIMEOUT: u32 = 0x0200;
/// `WDIOF_KEEPALIVEPING`: it is told to wait once more.
pub(crate) const KEEPALIVEPING: u32 = 0x8000;

/// The thing that resets the machine. Its methods are called one at a time, with a spin lock held, so they do not sleep.
pub(crate) trait Driver: Send + Sync {
    /// What it is.
    fn info(&self) -> Info;

    /// Has it count this many seconds from now on, also if it counts already.
    ///
    /// # Errors
    /// Those of the hardware.
    fn start(&self, seconds: u32) -> Result<()>;

    /// Has it count no more.
    ///
    /// # Errors
    /// Those of the hardware.
    fn stop(&self) -> Result<()>;

    /// Whether it counts.
    fn is_running(&self) -> bool;
}
