//! A shared reference that is made for being followed.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

/// An [`Arc`] that keeps where the value is, and not where its counts are. Of a value whose type is not known, an `Arc` has to look in a
/// table each time how far the two are apart; this does so when it is dropped.
///
/// Invariant: the pointer came from [`Arc::into_raw`], and the reference is this one's.
pub struct Direct<T: ?Sized> {
    value: NonNull<T>,
    owns: PhantomData<Arc<T>>,
}

// SAFETY: it is an `Arc<T>`, which may go to another thread and be used from several under these bounds.
unsafe impl<T: ?Sized + Send + Sync> Send for Direct<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for Direct<T> {}

impl<T: ?Sized> From<Arc<T>> for Direct<T> {
    fn from(value: Arc<T>) -> Self {
        // SAFETY: what an `Arc` points to is somewhere.
        let value = unsafe { NonNull::new_unchecked(Arc::into_raw(value).cast_mut()) };
        Self { value, owns: PhantomData }
    }
}

impl<T: ?Sized> Deref for Direct<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariant the value is alive, and it is shared.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for Direct<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant, and it is given up once.
        drop(unsafe { Arc::from_raw(self.value.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Number: Send + Sync {
        fn number(&self) -> u32;
    }

    #[repr(align(64))]
    struct Aligned(u32);

    impl Number for Aligned {
        fn number(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn it_is_a_reference_like_another() {
        let value = Arc::new(Aligned(7));
        let direct: Direct<dyn Number> = Direct::from(value.clone() as Arc<dyn Number>);
        assert_eq!((direct.number(), Arc::strong_count(&value)), (7, 2));
        assert!(core::ptr::addr_eq(&raw const *direct, Arc::as_ptr(&value)));
        drop(direct);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
