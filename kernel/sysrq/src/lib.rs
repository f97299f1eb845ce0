//! SysRq: a key by which the kernel is asked to show what it is at, or to do something, whatever state user land is in.
//!
//! A key comes from `/proc/sysrq-trigger`, from root, and is taken whatever `kernel.sysrq` says; or behind a break on the serial console,
//! and then `kernel.sysrq` decides. A key that means nothing shows those that do.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod keys;
mod memory_use;
mod states;

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use keys::{KEYS, Key};

/// `kernel.sysrq`: 0: no key, 1: all, else the sum of what is allowed ([`keys`]).
pub static ENABLED: AtomicI64 = AtomicI64::new(ALL);
/// All keys.
const ALL: i64 = 1;

/// Has panics show what `kernel.panic_print` asks for. Once.
pub fn init() {
    kthread::oops::set_print_hook(print_for_panic);
}

/// What the bits of `kernel.panic_print` stand for. There are no locks and no trace to be shown (8, 16), and the log's port has had all
/// of the log already (32).
fn print_for_panic(bits: i64) {
    let parts: [(i64, fn()); 4] = [
        (64, states::show_other_cpus),
        (1, states::show_all),
        (2, memory_use::show),
        (4, states::show_timers),
    ];
    parts.iter().filter(|(bit, _)| bits & bit != 0).for_each(|(_, show)| show());
}

/// Does what a key stands for, whatever `kernel.sysrq` says. In a task.
pub fn trigger(key: u8) {
    handle(key, ALL);
}

/// Does what a key stands for if `kernel.sysrq` allows it. Any context but a non-maskable interrupt.
pub fn press(key: u8) {
    handle(key, ENABLED.load(Relaxed));
}

/// Whether a mask as in `kernel.sysrq` allows a key.
fn allows(mask: i64, key: &Key) -> bool {
    mask == ALL || mask & key.mask != 0
}

fn handle(pressed: u8, mask: i64) {
    // So that all see what is said, however quiet the console is.
    let level = klog::set_console_level(EVERYTHING);
    let Some(key) = KEYS.iter().find(|key| key.presses.contains(&pressed)) else {
        log::info!("sysrq: HELP : {Help}");
        klog::set_console_level(level);
        return;
    };
    if !allows(mask, key) {
        log::info!("sysrq: This sysrq operation is disabled.");
        klog::set_console_level(level);
        return;
    }
    log::info!("sysrq: {}", key.says);
    klog::set_console_level(level);
    (key.act)(pressed);
}

/// The console's level while a key is named.
const EVERYTHING: u8 = 6;

/// What each key is for.
struct Help;

impl core::fmt::Display for Help {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        KEYS.iter().try_for_each(|key| write!(f, "{} ", key.help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pressed: u8) -> &'static Key {
        KEYS.iter().find(|key| key.presses.contains(&pressed)).expect("there is such a key")
    }

    #[test]
    fn d10_sysrq_mask_chooses_keys() {
        let allowed = |mask: i64| {
            let all = KEYS.iter().filter(|key| allows(mask, key)).map(|key| key.presses[0]);
            String::from_utf8(all.collect()).expect("keys are letters")
        };
        assert_eq!(allowed(0), "");
        assert_eq!(allowed(1).len(), KEYS.len());
        assert_eq!(allowed(2), "0");
        assert_eq!(allowed(8), "clmqtw");
        assert_eq!(allowed(16), "s");
        assert_eq!(allowed(64), "ei");
        assert_eq!(allowed(128), "bo");
        assert_eq!(allowed(256), "n");
        // With any other bit beside it, 1 is no bit of its own.
        assert_eq!(allowed(3), "0");
    }

    #[test]
    fn d10_sysrq_help_is_in_the_order_of_keys() {
        assert!(KEYS.is_sorted_by_key(|key| key.presses[0]));
        let help = Help.to_string();
        assert!(
            help.starts_with("loglevel(0-9) reboot(b) crash(c) terminate-all-tasks(e) "),
            "{help}"
        );
        assert!(help.ends_with(" show-task-states(t) show-blocked-tasks(w) "), "{help}");
        assert!(key(b'7').says == "Changing Loglevel" && key(b'w').help.contains("(w)"));
    }
}
