//! Values that are set once, or used by one at a time.

use std::sync::Arc;

use models::{Key, KeyCell, LockClass, Once, SpinLock, TryCell};
use weak::cell::Tracked;
use weak::{model, thread};

static LOCK: LockClass = LockClass::new("model");

#[test]
fn once_shows_its_value_whole() {
    model(|| {
        let once = Arc::new(Once::new());
        assert!(once.get().is_none());
        let setter = once.clone();
        let one = thread::spawn(move || setter.set(Tracked::new(1)).is_ok());
        let other = once.set(Tracked::new(2)).is_ok();
        let seen = once.get().map(Tracked::get);
        assert_ne!(one.join().unwrap(), other, "set once");
        assert!(if other { seen == Some(2) } else { seen.is_none_or(|seen| seen == 1) });
    });
}

#[test]
fn a_spin_lock_hands_its_value_on() {
    model(|| {
        let lock = Arc::new(SpinLock::new(&LOCK, Tracked::new(0)));
        assert!(!lock.is_locked());
        let count = |lock: &SpinLock<Tracked>| {
            let number = lock.lock_irq();
            number.set(number.get() + 1);
        };
        let other = lock.clone();
        let thread = thread::spawn(move || {
            count(&other);
            if let Some(number) = other.try_lock_irq() {
                number.set(number.get() + 1);
                return 1;
            }
            0
        });
        count(&lock);
        let more = thread.join().unwrap();
        assert_eq!(lock.lock().get(), 2 + more);
    });
}

#[test]
fn a_try_cell_lets_writers_and_readers_in_by_turns() {
    model(|| {
        let cell = Arc::new(TryCell::new(Tracked::new(0)));
        assert!(cell.is_free());
        let (a, b) = (cell.clone(), cell.clone());
        let writer = thread::spawn(move || a.try_write().map(|number| number.set(1)).is_some());
        let reader = thread::spawn(move || b.try_read().map(|number| number.get()));
        let seen = cell.try_read().map(|number| number.get());
        let (wrote, other) = (writer.join().unwrap(), reader.join().unwrap());
        assert!(wrote || seen.or(other) == Some(0), "who is turned away meets somebody");
        assert!(cell.try_write().is_some_and(|number| number.get() == u32::from(wrote)));
    });
}

#[test]
fn a_key_cell_goes_from_key_to_key() {
    model(|| {
        let cell = Arc::new(KeyCell::new(Tracked::new(0)));
        let (mut first, mut second) = (Key::new(), Key::new());
        assert!(first.claim(&cell) && !second.claim(&cell));
        let other = cell.clone();
        let thread = thread::spawn(move || {
            while !second.claim(&other) {
                weak::cpu::relax();
            }
            let number = other.get_mut(&mut second);
            number.set(number.get() + 1);
            second.release(&other);
        });
        cell.get_mut(&mut first).set(1);
        first.release(&cell);
        thread.join().unwrap();
        assert!(first.claim(&cell));
        assert_eq!(cell.get(&first).get(), 2);
    });
}
