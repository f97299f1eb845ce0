//! A place for a shared element, from which whoever comes first takes it.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Holds one reference or none. Taking it is one exchange, and of any number of takers one gets it.
///
/// Invariant: a pointer in it came from [`Arc::into_raw`], and the reference goes with it to whoever takes it out.
pub struct TakeCell<T> {
    element: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> TakeCell<T> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { element: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Lays an element down. For one user at a time, and where there is nothing: what was there would never be dropped.
    #[inline]
    pub fn put(&self, element: Arc<T>) {
        debug_assert!(self.is_empty(), "an element is laid upon another");
        machine::irq::point();
        // Release pairs with the Acquire in `take`.
        self.element.store(Arc::into_raw(element).cast_mut(), Ordering::Release);
    }

    /// Takes what is there. Who finds nothing sees what the one who took it had done by then.
    #[inline]
    pub fn take(&self) -> Option<Arc<T>> {
        machine::irq::point();
        // Acquire pairs with the Release in `put`, Release with the Acquire in `is_empty` and in another's `take`.
        let element = self.element.swap(ptr::null_mut(), Ordering::AcqRel);
        if element.is_null() {
            return None;
        }
        // SAFETY: by the invariant, and the exchange has taken it out: nobody else gets it.
        Some(unsafe { Arc::from_raw(element) })
    }

    /// Whether there is nothing: whoever took it did so before, and what that one had done by then is seen. That there is something is
    /// a hint only, but for who knows that nobody takes it now.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.element.load(Ordering::Acquire).is_null()
    }
}

impl<T> Default for TakeCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for TakeCell<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn what_was_put_down_is_taken_once() {
        let cell = TakeCell::new();
        assert!(cell.is_empty() && cell.take().is_none());
        let element = Arc::new(1);
        cell.put(element.clone());
        assert!(!cell.is_empty());
        assert!(cell.take().is_some_and(|taken| Arc::ptr_eq(&taken, &element)));
        assert!(cell.is_empty() && cell.take().is_none());
        cell.put(element.clone());
        drop(cell);
        assert_eq!(Arc::strong_count(&element), 1);
    }

    #[test]
    fn of_two_takers_one_gets_it() {
        let turns = if cfg!(miri) { 50 } else { 20_000 };
        let cell = TakeCell::new();
        let (put, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while taken.load(Ordering::Relaxed) < turns {
                        if let Some(number) = cell.take() {
                            assert_eq!(*number, taken.fetch_add(1, Ordering::Relaxed));
                        }
                    }
                });
            }
            while put.load(Ordering::Relaxed) < turns {
                if taken.load(Ordering::Relaxed) == put.load(Ordering::Relaxed) {
                    cell.put(Arc::new(put.fetch_add(1, Ordering::Relaxed)));
                }
            }
        });
    }
}
