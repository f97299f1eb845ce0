//! The alternate signal stack.

use errno::{Errno, Result};

/// The thread runs on it.
pub const SS_ONSTACK: u32 = 1;
/// There is none.
pub const SS_DISABLE: u32 = 2;
/// It is disabled while a handler runs on it.
pub const SS_AUTODISARM: u32 = 1 << 31;
/// None may be smaller.
pub const MINSIGSTKSZ: usize = 2048;

/// `stack_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateStack {
    /// Its lowest address.
    pub address: usize,
    /// Its size in bytes; 0 if there is none.
    pub size: usize,
    /// [`SS_AUTODISARM`] or 0.
    pub flags: u32,
}

impl AlternateStack {
    /// None.
    pub const NONE: Self = Self { address: 0, size: 0, flags: 0 };

    /// Takes what `sigaltstack` is given.
    ///
    /// # Errors
    /// EINVAL: unknown flags. ENOMEM: smaller than [`MINSIGSTKSZ`].
    pub fn from_user(address: usize, flags: u32, size: usize) -> Result<Self> {
        let mode = flags & !SS_AUTODISARM;
        match mode {
            SS_DISABLE => Ok(Self { address: 0, size: 0, flags: flags & SS_AUTODISARM }),
            0 | SS_ONSTACK if size < MINSIGSTKSZ => Err(Errno::ENOMEM),
            0 | SS_ONSTACK => Ok(Self { address, size, flags: flags & SS_AUTODISARM }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether a stack pointer is on it.
    pub fn contains(&self, stack_pointer: usize) -> bool {
        // With autodisarm it is empty while a handler runs on it, and never seen as in use.
        self.flags & SS_AUTODISARM == 0
            && stack_pointer > self.address
            && stack_pointer - self.address <= self.size
    }

    /// Whether there is one, and a stack pointer is on it.
    pub(crate) fn is_in_use(&self, stack_pointer: usize) -> bool {
        self.size != 0 && self.contains(stack_pointer)
    }

    /// The flags that user space sees.
    pub fn user_flags(&self, stack_pointer: usize) -> u32 {
        let state = if self.size == 0 {
            SS_DISABLE
        } else if self.contains(stack_pointer) {
            SS_ONSTACK
        } else {
            0
        };
        state | self.flags
    }

    /// The address above its end, where a handler's frame begins.
    pub fn top(&self) -> usize {
        self.address.wrapping_add(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_sizes_are_checked() {
        assert_eq!(AlternateStack::from_user(0x1000, 0, 2047), Err(Errno::ENOMEM));
        assert_eq!(AlternateStack::from_user(0x1000, 4, 8192), Err(Errno::EINVAL));
        let stack = AlternateStack::from_user(0x1000, 0, 8192).unwrap();
        assert_eq!(stack.user_flags(0x1000), 0);
        assert_eq!(stack.user_flags(0x1001), SS_ONSTACK);
        assert_eq!(stack.user_flags(0x3000), SS_ONSTACK, "empty, and in use");
        assert_eq!(stack.user_flags(0x3001), 0);
        let none = AlternateStack::from_user(7, SS_DISABLE, 9).unwrap();
        assert_eq!(none.user_flags(7), SS_DISABLE);
    }
}
