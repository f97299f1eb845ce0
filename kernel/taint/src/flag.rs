//! The flags, with Linux's numbers and letters.

/// Something that may be wrong with the kernel. Its value is the number of its bit.
///
/// This kernel itself adds [`Die`](Self::Die), [`Warning`](Self::Warning), [`SoftLockup`](Self::SoftLockup) and [`Test`](Self::Test): there
/// are no modules, no live patches, and no hardware that could be found to be faulty. Root may add any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flag {
    /// A module with a proprietary licence.
    ProprietaryModule,
    /// A module that was loaded by force.
    ForcedModule,
    /// A CPU is used in a way that it is not specified for.
    CpuOutOfSpecification,
    /// A module that was unloaded by force.
    ForcedUnload,
    /// A machine check.
    MachineCheck,
    /// A page in a state in which none may be.
    BadPage,
    /// A user asked for it.
    User,
    /// An oops.
    Die,
    /// A table of the firmware was replaced.
    ReplacedAcpiTable,
    /// A warning.
    Warning,
    /// A driver that is not ready yet.
    Staging,
    /// The firmware's errors are worked around.
    FirmwareWorkaround,
    /// A module from elsewhere.
    ForeignModule,
    /// A module without a signature.
    UnsignedModule,
    /// A soft lockup.
    SoftLockup,
    /// A live patch.
    LivePatch,
    /// What a distribution wants it for.
    Auxiliary,
    /// Structures are laid out at random.
    RandomLayout,
    /// Tests run inside the kernel.
    Test,
}

impl Flag {
    /// In the order of their bits.
    pub const ALL: [Self; 19] = [
        Self::ProprietaryModule,
        Self::ForcedModule,
        Self::CpuOutOfSpecification,
        Self::ForcedUnload,
        Self::MachineCheck,
        Self::BadPage,
        Self::User,
        Self::Die,
        Self::ReplacedAcpiTable,
        Self::Warning,
        Self::Staging,
        Self::FirmwareWorkaround,
        Self::ForeignModule,
        Self::UnsignedModule,
        Self::SoftLockup,
        Self::LivePatch,
        Self::Auxiliary,
        Self::RandomLayout,
        Self::Test,
    ];

    /// Its bit.
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// The bits of all.
    pub const fn all_bits() -> u64 {
        (1 << Self::ALL.len()) - 1
    }

    /// The letter that a report has for it if it is there, or what stands in its place.
    pub(crate) const fn letter(self, present: bool) -> char {
        /// One for each flag.
        const LETTERS: &[u8; Flag::ALL.len()] = b"PFSRMBUDAWCIOELKXTN";
        match (self, present) {
            // "All modules are GPL": said of a kernel without any as well.
            (Self::ProprietaryModule, false) => 'G',
            (_, false) => ' ',
            (_, true) => LETTERS[self as usize] as char,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flag;

    #[test]
    fn all_are_in_the_order_of_their_bits() {
        for (number, flag) in Flag::ALL.into_iter().enumerate() {
            assert_eq!(flag.bit(), 1 << number, "{flag:?}");
        }
    }
}
