//! `Arc`, of which loom sees what becomes of it.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loom::sync::atomic::{AtomicUsize, Ordering, fence};

use crate::cell::Accesses;

/// What is kept of a value beside it.
struct Life {
    references: AtomicUsize,
    /// Uses of the value, and its end.
    value: Accesses,
    /// References that were copied by the value's address, and the word that nobody does so any more.
    copies: Accesses,
}

/// The values that are alive, by address.
static ALIVE: Mutex<BTreeMap<usize, std::sync::Arc<Life>>> = Mutex::new(BTreeMap::new());

fn alive() -> MutexGuard<'static, BTreeMap<usize, std::sync::Arc<Life>>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An execution begins: what another one has left is no concern of it.
pub(crate) fn begin() {
    alive().clear();
}

/// An execution ends.
pub(crate) fn end() {
    assert!(alive().is_empty(), "a reference is left over");
}

/// As `alloc::sync::Arc`. A use of the value that is not ordered before its end fails the model, and so does a reference that is
/// left over.
pub struct Arc<T: ?Sized> {
    life: std::sync::Arc<Life>,
    value: std::sync::Arc<T>,
}

fn address<T: ?Sized>(pointer: *const T) -> usize {
    pointer.cast::<()>().addr()
}

impl<T> Arc<T> {
    /// The first reference to a value.
    pub fn new(value: T) -> Self {
        let value = std::sync::Arc::new(value);
        let life = std::sync::Arc::new(Life {
            references: AtomicUsize::new(1),
            value: Accesses::new(),
            copies: Accesses::new(),
        });
        life.value.write();
        let before = alive().insert(address(std::sync::Arc::as_ptr(&value)), life.clone());
        assert!(before.is_none(), "a value lies where another one is alive");
        Self { life, value }
    }
}

impl<T: ?Sized> Arc<T> {
    /// The value's address.
    pub fn as_ptr(this: &Self) -> *const T {
        std::sync::Arc::as_ptr(&this.value)
    }

    /// The value's address, which holds the reference from now on.
    pub fn into_raw(this: Self) -> *const T {
        let this = ManuallyDrop::new(this);
        // SAFETY: `this` is not used any more; of its two fields this one is dropped, and the other kept by its address.
        drop(unsafe { std::ptr::read(&this.life) });
        std::sync::Arc::as_ptr(&this.value)
    }

    /// The reference that an address holds.
    ///
    /// # Safety
    /// It comes from [`into_raw`](Self::into_raw), or a reference was counted for it.
    pub unsafe fn from_raw(pointer: *const T) -> Self {
        let life = alive().get(&address(pointer)).cloned().expect("the value is alive");
        // SAFETY: by the caller's promise; the value is alive.
        Self { life, value: unsafe { std::sync::Arc::from_raw(pointer) } }
    }

    /// Counts one reference more to the value at an address.
    ///
    /// # Safety
    /// The address comes from [`as_ptr`](Self::as_ptr) or [`into_raw`](Self::into_raw), and a reference is there for as long as this takes.
    pub unsafe fn increment_strong_count(pointer: *const T) {
        let life = alive().get(&address(pointer)).cloned().expect("the value is alive");
        life.copies.read();
        life.references.fetch_add(1, Ordering::Relaxed);
        // SAFETY: by the caller's promise; the value is alive.
        unsafe { std::sync::Arc::increment_strong_count(pointer) };
    }

    /// Whether two references are to the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&this.value, &other.value)
    }

    /// Weak references are not counted.
    pub fn downgrade(this: &Self) -> std::sync::Weak<T> {
        std::sync::Arc::downgrade(&this.value)
    }

    /// States that nobody copies a reference by the value's address any more, and that all who did so have come before this: fails the model
    /// if that is not so.
    pub fn assert_no_copies(this: &Self) {
        this.life.copies.write();
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.life.references.fetch_add(1, Ordering::Relaxed);
        Self { life: self.life.clone(), value: self.value.clone() }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.life.value.read();
        &self.value
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    fn drop(&mut self) {
        // The model has failed, and loom sees nothing any more.
        if std::thread::panicking() {
            return;
        }
        if self.life.references.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            self.life.value.write();
            let life = alive().remove(&address(Self::as_ptr(self)));
            assert!(life.is_some(), "a value ends twice");
        }
    }
}
