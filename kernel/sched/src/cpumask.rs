//! Sets of CPUs.

use core::fmt;

use machine::{CpuId, MAX_CPUS};

/// A set of CPUs, small enough to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuMask(u64);

const _: () = assert!(MAX_CPUS <= 64);

impl CpuMask {
    /// No CPU.
    pub const NONE: Self = Self(0);
    /// Every CPU that a machine could have.
    pub const ALL: Self = Self(if MAX_CPUS == 64 { u64::MAX } else { (1 << MAX_CPUS) - 1 });

    /// One CPU; none, if no machine could have it.
    pub const fn of(cpu: CpuId) -> Self {
        Self(if cpu < MAX_CPUS { 1 << cpu } else { 0 })
    }

    /// The CPUs that are present, started or not.
    pub fn present() -> Self {
        Self::from_bits(u64::MAX >> (64 - machine::cpu::count().clamp(1, 64)))
    }

    /// From a bit per CPU, CPU 0 lowest; bits beyond the last possible CPU are dropped.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// A bit per CPU, CPU 0 lowest.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether a CPU is in the set.
    pub const fn contains(self, cpu: CpuId) -> bool {
        self.0 & Self::of(cpu).0 != 0
    }

    /// Whether no CPU is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many CPUs are in the set.
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The CPU with the lowest number.
    pub const fn first(self) -> Option<CpuId> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as CpuId) }
    }

    /// The set with one more CPU.
    pub const fn with(self, cpu: CpuId) -> Self {
        Self(self.0 | Self::of(cpu).0)
    }

    /// The set without a CPU.
    pub const fn without(self, cpu: CpuId) -> Self {
        Self(self.0 & !Self::of(cpu).0)
    }

    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The CPUs in ascending order.
    pub fn iter(self) -> impl Iterator<Item = CpuId> {
        let mut bits = self.0;
        core::iter::from_fn(move || {
            let cpu = Self(bits).first()?;
            bits &= bits - 1;
            Some(cpu)
        })
    }

    /// Reads a list as in `isolcpus=` and sysfs: `0-3,5`. None if it is not one.
    pub fn parse(list: &str) -> Option<Self> {
        let mut mask = Self::NONE;
        for part in list.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            if first > last || last >= MAX_CPUS {
                return None;
            }
            (first..=last).for_each(|cpu| mask = mask.with(cpu));
        }
        Some(mask)
    }
}

/// As a list: `0-3,5`.
impl fmt::Display for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpu = 0;
        let mut separator = "";
        while cpu < MAX_CPUS {
            if !self.contains(cpu) {
                cpu += 1;
                continue;
            }
            let first = cpu;
            while cpu < MAX_CPUS && self.contains(cpu) {
                cpu += 1;
            }
            match cpu - 1 {
                last if last == first => write!(f, "{separator}{first}")?,
                last => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuMask({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::{CpuMask, MAX_CPUS};

    #[test]
    fn lists_are_read_and_written() {
        let mask = CpuMask::parse("0-2,5").unwrap();
        assert_eq!(mask.bits(), 0b100111);
        assert_eq!(std::format!("{mask}"), "0-2,5");
        assert_eq!(CpuMask::parse("3-1"), None);
        assert_eq!(CpuMask::parse("x"), None);
        assert_eq!(CpuMask::parse(""), Some(CpuMask::NONE));
    }

    #[test]
    fn a_cpu_that_no_machine_has_is_in_no_set() {
        for cpu in [MAX_CPUS, 64, 65, 128, usize::MAX] {
            assert!(CpuMask::of(cpu).is_empty());
            assert!(!CpuMask::ALL.contains(cpu));
            assert_eq!(CpuMask::of(1).with(cpu), CpuMask::of(1));
            assert_eq!(CpuMask::ALL.without(cpu), CpuMask::ALL);
        }
    }
}
