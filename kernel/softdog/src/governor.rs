//! What is done when the warning before the end is due.

/// The governors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Governor {
    /// A line in the log.
    Noop,
    /// The kernel panics while it can still say so.
    Panic,
}

impl Governor {
    pub(crate) const ALL: [Self; 2] = [Self::Noop, Self::Panic];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Panic => "panic",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|governor| governor.name().as_bytes() == name)
    }

    pub(crate) const fn from_stored(number: u8) -> Self {
        match number {
            1 => Self::Panic,
            _ => Self::Noop,
        }
    }

    /// In the timer interrupt.
    pub(crate) fn act(self, id: u32) {
        match self {
            Self::Noop => log::error!("watchdog{id}: pretimeout event"),
            Self::Panic => kthread::oops::panic(format_args!("watchdog pretimeout event")),
        }
    }
}
