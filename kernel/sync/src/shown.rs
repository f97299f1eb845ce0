//! A place where the user of a shared element shows what it is at, so that others get at it, too.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::irq::IrqGuard;

/// Marks the pointer while somebody looks at the element.
const MARK: usize = 1;

/// Shows one element or none. Showing costs a store, and its end an exchange: less than a second reference, for which only who wants one
/// pays.
///
/// Invariant: an unmarked pointer in it was put there by a [`Showing`] that has not ended, which takes it out again before it gives up its
/// reference. Who looks at the element marks the pointer, and a marked one is taken out by nobody; so the element stays as long as the
/// mark.
///
/// What is shown can be had from other CPUs, and so is fit to be shared:
///
/// ```compile_fail,E0277
/// fn share(_: impl Sync) {}
/// share(sync::Shown::<core::cell::Cell<u32>>::new());
/// ```
pub struct Shown<T> {
    element: AtomicPtr<T>,
    /// A pointer alone could be shared whatever it points to.
    gives: PhantomData<Arc<T>>,
}

impl<T> Shown<T> {
    /// Nothing.
    pub const fn new() -> Self {
        // The mark takes the lowest bit of the pointer.
        const { assert!(align_of::<T>() > MARK) };
        Self { element: AtomicPtr::new(ptr::null_mut()), gives: PhantomData }
    }

    /// Shows an element until the result is [ended](Showing::end) or dropped. For one user at a time: of two that show at once, one waits at its
    /// end for ever.
    #[inline]
    pub fn show(&self, element: Arc<T>) -> Showing<'_, T> {
        debug_assert!(!self.shows_any(), "two elements are shown at once");
        // Release pairs with the Acquire in `with_mark`.
        self.element.store(Arc::as_ptr(&element).cast_mut(), Ordering::Release);
        Showing { shown: self, element: ManuallyDrop::new(element) }
    }

    /// Whether an element is shown. Only a hint, but for the one who shows.
    #[inline]
    pub fn shows_any(&self) -> bool {
        !self.element.load(Ordering::Relaxed).is_null()
    }

    /// Whether this element is shown. Only a hint, but for the one who shows.
    pub fn shows(&self, element: &T) -> bool {
        let shown = self.element.load(Ordering::Relaxed);
        shown.map_addr(|address| address & !MARK).cast_const() == ptr::from_ref(element)
    }

    /// Looks at what is shown; who shows it waits for that at its end. Any context but a non-maskable interrupt; `look` must be short, and
    /// neither show nor end anything.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.with_mark(|element| {
            // SAFETY: it came from `Arc::as_ptr` of a reference that is not given up as long as the mark is there.
            look(unsafe { &*element })
        })
    }

    /// As [`look`](Self::look), but not if somebody else looks right now. Any context, a non-maskable interrupt too: what it interrupts is
    /// never in the way of its end.
    pub fn try_look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        // Who ends the showing meanwhile waits for the mark to go.
        let _irqs_off = IrqGuard::new();
        // SAFETY: as above.
        self.try_with_mark(|element| look(unsafe { &*element })).ok()
    }

    /// A reference of the caller's own to what is shown. Any context but a non-maskable interrupt.
    pub fn copy(&self) -> Option<Arc<T>> {
        self.with_mark(|element| {
            // SAFETY: as above, so there is a reference while another is counted.
            unsafe {
                Arc::increment_strong_count(element);
                Arc::from_raw(element)
            }
        })
    }

    fn with_mark<R>(&self, mut look: impl FnOnce(*const T) -> R) -> Option<R> {
        // Who ends the showing meanwhile waits for the mark to go.
        let _irqs_off = IrqGuard::new();
        loop {
            match self.try_with_mark(look) {
                Ok(seen) => return Some(seen),
                Err(Unseen::Nothing) => return None,
                Err(Unseen::Contended(again)) => look = again,
            }
            machine::cpu::relax();
        }
    }

    /// Interrupts are off.
    #[inline]
    fn try_with_mark<R, F: FnOnce(*const T) -> R>(&self, look: F) -> Result<R, Unseen<F>> {
        /// Takes the mark away.
        struct Mark<'a, T>(&'a AtomicPtr<T>, *mut T);
        impl<T> Drop for Mark<'_, T> {
            fn drop(&mut self) {
                // Release: what was done with the element, a count of its references too, is done before they can be given up.
                self.0.store(self.1, Ordering::Release);
            }
        }
        machine::irq::point();
        let pointer = self.element.load(Ordering::Relaxed);
        if pointer.is_null() {
            return Err(Unseen::Nothing);
        }
        let marked = pointer.map_addr(|address| address | MARK);
        let is_free = pointer != marked;
        // Acquire pairs with the Release in `show`.
        if !is_free
            || self
                .element
                .compare_exchange(pointer, marked, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return Err(Unseen::Contended(look));
        }
        let _mark = Mark(&self.element, pointer);
        machine::irq::point();
        Ok(look(pointer))
    }
}

/// Why an element was not looked at.
enum Unseen<F> {
    /// There is none.
    Nothing,
    /// Somebody looks, or the element has changed just now; with who wanted to look.
    Contended(F),
}

impl<T> Default for Shown<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// An element that is shown.
#[must_use = "the element is shown until this is dropped"]
pub struct Showing<'a, T> {
    shown: &'a Shown<T>,
    /// Taken out when the showing ends, and only then.
    element: ManuallyDrop<Arc<T>>,
}

impl<T> Showing<'_, T> {
    /// Shows it no longer.
    #[inline]
    pub fn end(self) -> Arc<T> {
        let mut this = ManuallyDrop::new(self);
        this.shown.hide(&this.element);
        // SAFETY: this is the end, and `drop` does not come.
        unsafe { ManuallyDrop::take(&mut this.element) }
    }
}

impl<T> Shown<T> {
    /// Takes a pointer out, when nobody looks at the element.
    #[inline]
    fn hide(&self, element: &Arc<T>) {
        machine::irq::point();
        let pointer = Arc::as_ptr(element).cast_mut();
        // Acquire pairs with the Release when the mark goes.
        while self
            .element
            .compare_exchange(pointer, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            machine::cpu::relax();
        }
    }
}

impl<T> Deref for Showing<'_, T> {
    type Target = Arc<T>;
    #[inline]
    fn deref(&self) -> &Arc<T> {
        &self.element
    }
}

impl<T> Drop for Showing<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.shown.hide(&self.element);
        // SAFETY: this is the end, and it was not taken by `end`.
        unsafe { ManuallyDrop::drop(&mut self.element) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn what_is_shown_can_be_copied_until_its_end() {
        let shown: Shown<u32> = Shown::new();
        let (one, other) = (Arc::new(1), Arc::new(2));
        assert!(shown.copy().is_none() && !shown.shows_any() && !shown.shows(&one));
        let showing = shown.show(one.clone());
        assert!(shown.shows_any() && shown.shows(&one) && !shown.shows(&other));
        assert_eq!(shown.look(|&number| number), Some(1));
        assert_eq!(shown.try_look(|&number| number), Some(1));
        // Who looks may be interrupted by one who tries to.
        assert_eq!(shown.look(|_| shown.try_look(|&number| number)), Some(None));
        let copy = shown.copy();
        assert!(copy.is_some_and(|copy| Arc::ptr_eq(&copy, &one)));
        assert_eq!(**showing, 1);
        assert!(Arc::ptr_eq(&showing.end(), &one));
        assert!(shown.copy().is_none() && shown.try_look(|_| ()).is_none());
        drop(shown.show(other.clone()));
        assert!(!shown.shows_any());
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 1));
    }

    #[test]
    fn a_copy_is_of_what_is_alive() {
        /// Says when it is gone.
        #[repr(align(2))]
        struct Alive(AtomicBool);
        impl Drop for Alive {
            fn drop(&mut self) {
                *self.0.get_mut() = false;
            }
        }
        let turns = if cfg!(miri) { 40 } else { 20_000 };
        let shown: Shown<Alive> = Shown::new();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let copy = shown.copy();
                        assert!(copy.is_none_or(|alive| alive.0.load(Ordering::Relaxed)));
                        let seen = shown.look(|alive| alive.0.load(Ordering::Relaxed));
                        assert!(seen.is_none_or(|alive| alive));
                        let seen = shown.try_look(|alive| alive.0.load(Ordering::Relaxed));
                        assert!(seen.is_none_or(|alive| alive));
                    }
                });
            }
            for _ in 0..turns {
                drop(shown.show(Arc::new(Alive(AtomicBool::new(true)))).end());
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
