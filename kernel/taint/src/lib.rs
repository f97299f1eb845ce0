//! What a reader of the kernel's reports has to know beforehand: that something had gone wrong already, and how often.
//!
//! - [`Flag`], [`add`], [`mask`]: the *taint*, a set that only grows. Each report shows it ([`Shown`]), and so does
//!   `/proc/sys/kernel/tainted`.
//! - [`panic_on`]: which flags end the kernel (`panic_on_taint=`).
//! - [`OOPSES`], [`WARNINGS`]: how many there have been, and how many there may be ([`Tally`]).
//!
//! This crate keeps the books and ends nothing: who adds and counts is told when that is to be the kernel's end.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod flag;
mod tally;

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

pub use flag::Flag;
pub use tally::{OOPSES, Tally, WARNINGS};

/// The flags that have been added.
static MASK: AtomicU64 = AtomicU64::new(0);
/// `panic_on_taint=`: the flags that end the kernel; none once one of them has.
static PANIC_ON: AtomicU64 = AtomicU64::new(0);
/// `panic_on_taint=…,nousertaint`: users do not add these.
static KEPT_FROM_USERS: AtomicBool = AtomicBool::new(false);

/// The flags that have been added, as bits. Any context.
pub fn mask() -> u64 {
    MASK.load(SeqCst)
}

/// Adds a flag. Any context. Returns whether the kernel is to end because of the flags that it has now; it is told so once.
#[must_use]
pub fn add(flag: Flag) -> bool {
    let mask = MASK.fetch_or(flag.bit(), SeqCst) | flag.bit();
    mask & PANIC_ON.load(SeqCst) != 0 && PANIC_ON.swap(0, SeqCst) != 0
}

/// Says which flags end the kernel, and whether users are kept from adding them. Bits that are no flags are dropped. Returns
/// whether any is left.
pub fn panic_on(bits: u64, not_by_users: bool) -> bool {
    let bits = bits & Flag::all_bits();
    PANIC_ON.store(bits, SeqCst);
    KEPT_FROM_USERS.store(not_by_users, SeqCst);
    bits != 0
}

/// Whether a user may add these.
pub fn is_open_to_users(bits: u64) -> bool {
    !KEPT_FROM_USERS.load(SeqCst) || bits & PANIC_ON.load(SeqCst) == 0
}

/// The taint as reports show it: `Not tainted`, or `Tainted: ` and a letter or a blank for each flag.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    mask: u64,
}

impl Shown {
    /// As it is now. Any context.
    pub fn now() -> Self {
        Self { mask: mask() }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask == 0 {
            return f.write_str("Not tainted");
        }
        f.write_str("Tainted: ")?;
        Flag::ALL.iter().try_for_each(|flag| f.write_char(flag.letter(self.mask & flag.bit() != 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_has_its_place() {
        let shown = |mask| Shown { mask }.to_string();
        assert_eq!(shown(0), "Not tainted");
        assert_eq!(shown(1 << 7), "Tainted: G      D           ");
        assert_eq!(shown(1 << 7 | 1 << 9 | 1 << 14), "Tainted: G      D W    L    ");
        assert_eq!(shown(1), "Tainted: P                  ");
        assert_eq!(shown(Flag::all_bits()), "Tainted: PFSRMBUDAWCIOELKXTN");
    }

    #[test]
    fn the_end_is_told_once_and_users_may_be_kept_out() {
        assert!(!panic_on(1 << 19, false), "there is no such flag");
        assert!(panic_on(Flag::Warning.bit() | 1 << 40, true));
        assert!(!is_open_to_users(Flag::Warning.bit() | Flag::Die.bit()));
        assert!(is_open_to_users(Flag::Die.bit()));
        assert!(!add(Flag::Die));
        assert!(add(Flag::Warning));
        assert_eq!(mask(), Flag::Die.bit() | Flag::Warning.bit());
        assert!(!add(Flag::Warning), "told twice");
        assert!(panic_on(Flag::Die.bit(), false));
        assert!(is_open_to_users(Flag::Die.bit()));
        assert!(add(Flag::SoftLockup), "what is there already counts");
    }
}
