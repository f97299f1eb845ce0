//! One value per CPU.

use core::ops::{Deref, DerefMut};

use machine::{CpuId, MAX_CPUS};

/// A value on cache lines of its own, so that two CPUs do not fight over a line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CachePadded<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// One `T` per CPU, which every CPU may look at. Made by [`per_cpu!`](crate::per_cpu).
pub struct PerCpu<T> {
    rows: [CachePadded<T>; MAX_CPUS],
}

impl<T> PerCpu<T> {
    /// From its rows; [`per_cpu!`](crate::per_cpu) writes them.
    pub const fn from_rows(rows: [CachePadded<T>; MAX_CPUS]) -> Self {
        Self { rows }
    }

    /// A CPU's value.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn of(&self, cpu: CpuId) -> &T {
        &self.rows[cpu]
    }

    /// The value of the CPU this runs on. The caller keeps preemption off for as long as it matters
    /// which CPU that is.
    #[inline]
    pub fn this(&self) -> &T {
        &self.rows[machine::cpu::id() % MAX_CPUS]
    }

    /// The values of all CPUs that are present, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().take(machine::cpu::count()).map(|row| &**row)
    }
}

/// Makes a [`PerCpu`] whose rows all start as the same constant expression.
#[macro_export]
macro_rules! per_cpu {
    ($value:expr) => {
        $crate::PerCpu::from_rows([const { $crate::CachePadded::new($value) }; machine::MAX_CPUS])
    };
}
