//! A place for a shared value of a type that only its user knows.

use alloc::sync::Arc;
use core::any::{Any, TypeId};

use crate::once::Once;

/// A place for an `Arc` of any type, set once and read often.
///
/// What `Arc<dyn Any>` would do by a call through a table is here a comparison of two words: the running task's data are looked up
/// several times in every system call.
pub struct AnyOnce {
    held: Once<Held>,
}

struct Held {
    type_id: TypeId,
    /// Into `value`, whose type it has by `type_id`.
    data: *const (),
    value: Arc<dyn Any + Send + Sync>,
}

// SAFETY: `data` points to what `value` holds, which may be shared and sent.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl AnyOnce {
    /// An empty place.
    pub const fn new() -> Self {
        Self { held: Once::new() }
    }

    /// Sets the value. Returns whether there was none.
    #[must_use = "a second value is dropped"]
    pub fn set<T: Any + Send + Sync>(&self, value: Arc<T>) -> bool {
        let data = Arc::as_ptr(&value).cast();
        self.held.set(Held { type_id: TypeId::of::<T>(), data, value }).is_ok()
    }

    /// The value, if there is one of this type.
    #[inline]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let held = self.held.get()?;
        if held.type_id != TypeId::of::<T>() {
            return None;
        }
        // SAFETY: `set` took the pointer from an `Arc<T>` of this type, which `value` keeps alive, and which nobody can replace.
        Some(unsafe { &*held.data.cast() })
    }

    /// The value, to keep, if there is one of this type.
    pub fn get_shared<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.held.get()?.value.clone().downcast().ok()
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
        assert!(place.set(value.clone()));
        assert!(!place.set(Arc::new(8u64)), "only once");
        assert_eq!(place.get::<u32>(), Some(&7));
        assert!(place.get::<u64>().is_none() && place.get_shared::<i32>().is_none());
        assert!(place.get_shared::<u32>().is_some_and(|shared| Arc::ptr_eq(&shared, &value)));
        assert_eq!(Arc::strong_count(&value), 2);
        drop(place);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
