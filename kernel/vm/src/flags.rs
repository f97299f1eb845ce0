//! The bits of the memory system calls, with Linux's values.

use bitflags::bitflags;
use contract::Protection;

bitflags! {
    /// `PROT_*`: what a program may do with a mapping.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Prot: u32 {
        /// Load.
        const READ = 1;
        /// Store.
        const WRITE = 2;
        /// Fetch instructions.
        const EXEC = 4;
        /// `mprotect`: down to the start of a mapping that grows down.
        const GROWSDOWN = 0x0100_0000;
        /// `mprotect`: up to the end of a mapping that grows up.
        const GROWSUP = 0x0200_0000;
    }
}

bitflags! {
    /// `MAP_*`: how a mapping is made.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MapFlags: u32 {
        /// Stores are seen by all who map it.
        const SHARED = 0x01;
        /// Stores are seen by nobody else.
        const PRIVATE = 0x02;
        /// At the address given, replacing what is there.
        const FIXED = 0x10;
        /// Of no file.
        const ANONYMOUS = 0x20;
        /// A stack: an access below it makes it grow.
        const GROWSDOWN = 0x0100;
        /// Ignored, as in Linux.
        const DENYWRITE = 0x0800;
        /// Ignored, as in Linux.
        const EXECUTABLE = 0x1000;
        /// As if `mlock` had been called. There is no swap, so pages stay anyway; they are filled
        /// in at once.
        const LOCKED = 0x2000;
        /// Not counted against what there is.
        const NORESERVE = 0x4000;
        /// Filled in at once.
        const POPULATE = 0x8000;
        /// With POPULATE: do not wait.
        const NONBLOCK = 0x1_0000;
        /// A hint that this will be a stack.
        const STACK = 0x2_0000;
        /// Of huge pages.
        const HUGETLB = 0x4_0000;
        /// Stores reach the medium at once.
        const SYNC = 0x8_0000;
        /// At the address given, or not at all.
        const FIXED_NOREPLACE = 0x10_0000;
    }
}

bitflags! {
    /// What is true of a mapping. The names are Linux's `VM_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct VmFlags: u32 {
        /// Loads are allowed.
        const READ = 1 << 0;
        /// Stores are allowed.
        const WRITE = 1 << 1;
        /// Instruction fetches are allowed.
        const EXEC = 1 << 2;
        /// Stores are seen by all who map it.
        const SHARED = 1 << 3;
        /// `mprotect` may allow stores: not so for a shared mapping of a file that is open for
        /// reading only.
        const MAY_WRITE = 1 << 5;
        /// `mprotect` may allow instruction fetches.
        const MAY_EXEC = 1 << 6;
        /// An access below it makes it grow.
        const GROWS_DOWN = 1 << 8;
        /// Pages were asked to stay in memory.
        const LOCKED = 1 << 13;
        /// A child does not get it.
        const DONT_COPY = 1 << 17;
        /// Not counted against what there is.
        const NO_RESERVE = 1 << 21;
        /// A child finds it empty.
        const WIPE_ON_FORK = 1 << 25;
        /// Core dumps leave it out.
        const DONT_DUMP = 1 << 26;
        /// Large pages are welcome.
        const HUGE_PAGE = 1 << 29;
        /// Large pages are not welcome.
        const NO_HUGE_PAGE = 1 << 30;
    }
}

impl VmFlags {
    /// Those that `mprotect` changes.
    pub(crate) const PROTECTION: Self = Self::READ.union(Self::WRITE).union(Self::EXEC);

    /// The protection bits that a `PROT_*` value asks for.
    pub(crate) fn from_prot(prot: Prot) -> Self {
        let mut flags = Self::empty();
        flags.set(Self::READ, prot.contains(Prot::READ));
        flags.set(Self::WRITE, prot.contains(Prot::WRITE));
        flags.set(Self::EXEC, prot.contains(Prot::EXEC));
        flags
    }

    /// No access at all (`PROT_NONE`): what the machine cannot express for a mapped page.
    pub(crate) fn is_inaccessible(self) -> bool {
        !self.intersects(Self::PROTECTION)
    }

    /// What the machine is told about a page that may be used as the mapping says.
    pub(crate) fn protection(self) -> Protection {
        Protection { write: self.contains(Self::WRITE), execute: self.contains(Self::EXEC) }
    }

    /// The same without stores: for a page that others hold too, or whose first store is to be
    /// noticed.
    pub(crate) fn read_only(self) -> Protection {
        Protection { write: false, ..self.protection() }
    }

    /// A program's own data, counted against `RLIMIT_DATA`.
    pub(crate) fn is_data(self) -> bool {
        self.contains(Self::WRITE) && !self.intersects(Self::SHARED | Self::GROWS_DOWN)
    }
}
