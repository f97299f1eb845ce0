//! Shared references and atomics.

pub use crate::arc::Arc;
pub use std::sync::Weak;

/// Atomics.
pub mod atomic {
    use crate::execution::Lazy;
    use std::fmt;

    pub use loom::sync::atomic::fence;
    pub use std::sync::atomic::Ordering;

    /// For the compiler only: nothing.
    pub const fn compiler_fence(_: Ordering) {}

    macro_rules! atomic {
        ($(#[$doc:meta])* $name:ident $(<$parameter:ident>)?, $value:ty) => {
            $(#[$doc])*
            pub struct $name $(<$parameter>)? {
                initial: $value,
                atomic: Lazy<loom::sync::atomic::$name $(<$parameter>)?>,
            }

            impl $(<$parameter>)? $name $(<$parameter>)? {
                /// An atomic with this value.
                pub const fn new(initial: $value) -> Self {
                    Self { initial, atomic: Lazy::new() }
                }

                fn atomic(&self) -> &loom::sync::atomic::$name $(<$parameter>)? {
                    self.atomic.get(|| loom::sync::atomic::$name::new(self.initial))
                }

                /// The value.
                pub fn load(&self, order: Ordering) -> $value {
                    self.atomic().load(order)
                }

                /// Changes the value.
                pub fn store(&self, value: $value, order: Ordering) {
                    // A guard in a model that has failed: there is nothing that loom could see any more.
                    if !std::thread::panicking() {
                        self.atomic().store(value, order);
                    }
                }

                /// Changes the value if it is `from`.
                pub fn compare_exchange(
                    &self,
                    from: $value,
                    to: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.atomic().compare_exchange(from, to, success, failure)
                }

                /// As [`compare_exchange`](Self::compare_exchange).
                pub fn compare_exchange_weak(
                    &self,
                    from: $value,
                    to: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.atomic().compare_exchange_weak(from, to, success, failure)
                }

                /// Changes the value as long as `step` has one.
                pub fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    step: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    self.atomic().fetch_update(set, fetch, step)
                }

                /// The value, of which nobody else knows.
                pub fn get_mut(&mut self) -> &mut $value {
                    if let Some(atomic) = self.atomic.take()
                        && !std::thread::panicking()
                    {
                        self.initial = atomic.into_inner();
                    }
                    &mut self.initial
                }
            }

            impl $(<$parameter>)? fmt::Debug for $name $(<$parameter>)? {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(stringify!($name))
                }
            }
        };
    }

    macro_rules! number {
        ($($name:ident, $value:ty;)*) => {$(
            atomic!(
                #[doc = concat!("As `core::sync::atomic::", stringify!($name), "`.")]
                $name, $value
            );

            impl $name {
                /// Changes the value; returns what it was.
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.atomic().swap(value, order)
                }

                /// Adds; returns what it was.
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    self.atomic().fetch_add(value, order)
                }

                /// Subtracts; returns what it was.
                pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    self.atomic().fetch_sub(value, order)
                }

                /// Keeps these bits; returns what it was.
                pub fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                    self.atomic().fetch_and(bits, order)
                }

                /// Sets these bits; returns what it was.
                pub fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                    self.atomic().fetch_or(bits, order)
                }

                /// Turns these bits over; returns what it was.
                pub fn fetch_xor(&self, bits: $value, order: Ordering) -> $value {
                    self.atomic().fetch_xor(bits, order)
                }
            }
        )*};
    }

    number! {
        AtomicU8, u8;
        AtomicU32, u32;
        AtomicU64, u64;
        AtomicUsize, usize;
    }
    atomic!(
        /// As `core::sync::atomic::AtomicBool`.
        AtomicBool, bool
    );

    impl AtomicBool {
        /// Changes the value; returns what it was.
        ///
        /// One that changes nothing, and releases nothing, is a failed exchange to loom: that takes a store of another thread, which must come
        /// after it, for one that may come before, and whoever spins would then spin for ever.
        pub fn swap(&self, value: bool, order: Ordering) -> bool {
            match order {
                Ordering::Relaxed | Ordering::Acquire => {
                    self.compare_exchange(!value, value, order, order).unwrap_or(value)
                }
                _ => self.atomic().swap(value, order),
            }
        }
    }

    atomic!(
        /// As `core::sync::atomic::AtomicPtr`.
        AtomicPtr<T>, *mut T
    );

    impl<T> AtomicPtr<T> {
        /// Changes the value; returns what it was.
        pub fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
            self.atomic().swap(value, order)
        }
    }
}
