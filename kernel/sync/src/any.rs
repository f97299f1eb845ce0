//! A place for a shared value of a type that only its user knows.

use alloc::sync::Arc;
use core::any::{Any, TypeId};

use crate::once::Once;

/// A place for an `Arc` of any type, set once and read often.
///
/// What `Arc<dyn Any>` would do by calls through a table is here a comparison of two words, and one call when it goes: the running task's
/// data are looked up several times in every system call.
pub struct AnyOnce {
    held: Once<Held>,
}

/// One reference to a value.
struct Held {
    type_id: TypeId,
    /// From `Arc::into_raw`, of the type that `type_id` names.
    data: *const (),
    /// Gives the reference back; of the same type.
    release: unsafe fn(*const ()),
}

/// # Safety
/// `data` is from `Arc::<T>::into_raw`, and its reference is the caller's to give back.
unsafe fn release<T>(data: *const ()) {
    // SAFETY: the caller's promise.
    drop(unsafe { Arc::from_raw(data.cast::<T>()) });
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `set` took both from the same `Arc`, whose reference this is.
        unsafe { (self.release)(self.data) };
    }
}

// SAFETY: `data` is a reference to a value that may be shared and sent.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl AnyOnce {
    /// An empty place.
    pub const fn new() -> Self {
        Self { held: Once::new() }
    }

    /// Sets the value, and shows it. None if there was one already.
    #[must_use = "a second value is dropped"]
    pub fn set<T: Any + Send + Sync>(&self, value: Arc<T>) -> Option<&T> {
        let data = Arc::into_raw(value);
        let held = Held { type_id: TypeId::of::<T>(), data: data.cast(), release: release::<T> };
        // SAFETY: the value, whose reference is kept from now on, as long as this is there.
        self.held.set(held).is_ok().then(|| unsafe { &*data })
    }

    /// The reference that is kept, as `Arc::into_raw` gave it, if it is one to this type.
    #[inline]
    fn kept<T: Any>(&self) -> Option<*const T> {
        let held = self.held.get()?;
        (held.type_id == TypeId::of::<T>()).then_some(held.data.cast())
    }

    /// Whether there is a value, of whatever type.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.held.get().is_some()
    }

    /// The value, if there is one of this type.
    #[inline]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        // SAFETY: a pointer from an `Arc<T>`, whose reference is kept as long as this is there.
        self.kept().map(|data| unsafe { &*data })
    }

    /// The value, to keep, if there is one of this type.
    #[inline]
    pub fn get_shared<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        // SAFETY: as in `get`; the new reference is the one that is given out.
        self.kept().map(|data| unsafe {
            Arc::increment_strong_count(data);
            Arc::from_raw(data)
        })
    }
}

impl Default for AnyOnce {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_set_as_what_it_is() {
        let place = AnyOnce::new();
        assert!(place.get::<u32>().is_none());
        let value = Arc::new(7u32);
        assert_eq!(place.set(value.clone()), Some(&7));
        assert_eq!(place.set(Arc::new(8u64)), None, "only once");
        assert_eq!(place.get::<u32>(), Some(&7));
        assert!(place.get::<u64>().is_none() && place.get_shared::<i32>().is_none());
        assert!(place.get_shared::<u32>().is_some_and(|shared| Arc::ptr_eq(&shared, &value)));
        assert_eq!(Arc::strong_count(&value), 2);
        drop(place);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
